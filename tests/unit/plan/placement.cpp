// SPDX-License-Identifier: MIT
// Placement of networks in which tensors and gradients live long: skips, blocks of residuals, several outputs.
#include <remat/check/plan_checker.hpp>
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include "exact_placement.hpp"

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

namespace placement_tests {

using remat::operation, remat::program, remat::reads;

/// Programs written by hand. Nothing of them runs: an operation is what it reads and how much it gives.
class writer {
 public:
  int input(std::size_t size) {
    p_.inputs = 1;
    return tensor(size, remat::core::none);
  }
  int convolution(int x, std::size_t size) {
    operation o = reading("convolution", {x});
    o.backward_parameters_reads = reads::inputs;
    o.parameters = 1;
    return add(o, size);
  }
  int norm(int x) {
    operation o = reading("norm", {x});
    o.backward_parameters_reads = o.backward_input_reads = reads::inputs | reads::saved;
    o.parameters = 1;
    return add(o, size(x), 16);
  }
  int relu(int x) {
    operation o = reading("relu", {x});
    o.is.in_place = true;
    o.backward_input_reads = reads::outputs;
    return add(o, size(x));
  }
  int pool(int x) {
    operation o = reading("pool", {x});
    o.backward_input_reads = reads::saved;
    return add(o, size(x) / 4, size(x) / 16);
  }
  int sum(int x, int y) { return add(reading("sum", {x, y}), size(x)); }
  int join(int x, int y) { return add(reading("join", {x, y}), size(x) + size(y)); }
  int scale_up(int x) { return add(reading("scale_up", {x}), size(x) * 2); }

  /// The operations since the last one are a child of the network.
  void end_block() {
    remat::module_node n;
    n.parent = 0;
    n.position = static_cast<int>(blocks_.size());
    n.first = blocks_.empty() ? 0 : blocks_.back().last;
    n.last = p_.operations.count();
    blocks_.push_back(n);
  }
  /// `around`: checkpoints over this many blocks at a time, from the outermost; 0: none.
  program finish(std::initializer_list<int> outputs, std::initializer_list<std::size_t> around) {
    end_block();
    remat::module_node net;
    net.last = p_.operations.count();
    net.is_sequential = true;
    net.end = static_cast<int>(blocks_.size()) + 1;
    for (std::size_t children : around) {
      remat::checkpoint_setting setting = remat::setting_of<remat::recompute_all>;
      setting.strategy = remat::strategy::groups{children};
      if (children > 0) net.checkpoints.push_back(setting);
    }
    p_.nodes.push_back(net);
    for (remat::module_node& n : blocks_) {
      n.end = p_.nodes.count() + 1;
      p_.nodes.push_back(n);
    }
    for (int t : outputs) p_.outputs.push_back(t);
    return p_;
  }

 private:
  std::size_t size(int t) const { return p_.tensors[t].extents[0]; }
  int tensor(std::size_t size, int producer) {
    return p_.add_tensor({remat::element::float32, true, 1, {size}}, producer);
  }
  operation reading(const char* kind, std::initializer_list<int> inputs) {
    operation o;
    o.kind = kind;
    o.occurrence = p_.operations.count();
    for (int t : inputs) o.inputs.push_back(t);
    return o;
  }
  int add(operation o, std::size_t size, std::size_t saved = 0) {
    o.outputs.push_back(tensor(size, p_.operations.count()));
    if (saved > 0) o.saved.push_back(tensor(saved, p_.operations.count()));
    p_.operations.push_back(o);
    return o.outputs[0];
  }

  program p_;
  std::vector<remat::module_node> blocks_;
};

/// Bottleneck blocks; every third halves the size.
program residual_net(int blocks, std::initializer_list<std::size_t> around) {
  writer w;
  std::size_t size = 16 * 1024;
  int x = w.relu(w.convolution(w.input(3 * 1024), size));
  w.end_block();
  for (int i = 0; i < blocks; ++i) {
    const std::size_t from = size;
    if (i > 0 && i % 3 == 0 && size > 512) size /= 2;
    int y = w.relu(w.norm(w.convolution(x, from / 4)));
    y = w.relu(w.norm(w.convolution(y, size / 4)));
    y = w.norm(w.convolution(y, size));
    x = w.relu(w.sum(y, size == from ? x : w.norm(w.convolution(x, size))));
    w.end_block();
  }
  return w.finish({w.convolution(w.pool(x), 10)}, around);
}

program u_net(int depth, int convolutions, std::initializer_list<std::size_t> around) {
  writer w;
  std::size_t size = 8 * 4096;
  int x = w.input(4096);
  const auto level = [&] {
    for (int i = 0; i < convolutions; ++i) x = w.relu(w.norm(w.convolution(x, size)));
    w.end_block();
  };
  std::vector<int> skips;
  for (int d = 0; d < depth; ++d, size /= 2) {
    level();
    skips.push_back(x);
    x = w.pool(x);
  }
  level();
  for (int d = depth; d-- > 0;) {
    size *= 2;
    x = w.join(skips[static_cast<std::size_t>(d)], w.scale_up(x));
    level();
  }
  return w.finish({w.convolution(x, 4096)}, around);
}

/// Branches leave the trunk on the way, and end in outputs.
program two_headed_net(int layers, std::initializer_list<std::size_t> around) {
  writer w;
  int x = w.input(1024), heads[2] = {};
  for (int i = 0; i < layers; ++i) {
    x = w.relu(w.convolution(x, 2048 + 64 * (static_cast<std::size_t>(i) % 5)));
    if (i == layers / 3) heads[0] = w.convolution(w.relu(w.convolution(x, 512)), 100);
    if (i == layers * 2 / 3) heads[1] = w.convolution(w.relu(w.convolution(x, 512)), 200);
    w.end_block();
  }
  return w.finish({heads[0], heads[1], x}, around);
}

void check(const std::string& name, const program& p) {
  const remat::plan made = remat::plan_training(p, 1);
  const double ratio = static_cast<double>(made.activation_bytes) / static_cast<double>(made.live_bytes);
  INFO(name << ": " << p.operations.size() << " operations, " << remat::detail::allocations_of(made.steps, 0).size()
            << " allocations, " << made.activation_bytes << " of " << made.live_bytes << " bytes");
  CHECK(ratio <= 1.02);
}

TEST_CASE("networks with skips and several outputs are placed within 2 % under every checkpoint") {
  const std::initializer_list<std::size_t> none = {0}, each = {1}, pairs = {2}, fives = {5}, whole = {1'000},
                                           nested = {4, 1};
  for (const auto& around : {none, each, pairs, fives, whole, nested}) {
    for (int blocks : {2, 4, 8, 12, 30}) check("residual net", residual_net(blocks, around));
    for (int depth : {2, 3, 4}) check("U-Net", u_net(depth, 2, around));
    check("deep U-Net", u_net(5, 8, around));
    for (int layers : {6, 12, 24, 64}) check("two-headed net", two_headed_net(layers, around));
  }
}

/// a b in place. (It reads the gradient of its output for each input, which is right for one input that comes twice
/// alone.)
struct product_in_place : remat::module {
  static constexpr std::string_view kind = "product_in_place";
  template <std::size_t D>
  static remat::tensor<float, D> output(remat::tensor<float, D>, remat::tensor<float, D>);
  static constexpr auto backward_input_reads = remat::reads::inputs;
  static constexpr remat::traits is{.in_place = true};
  static void forward(const remat::forward_pass& pass) {
    for (std::size_t i = 0; i < pass.input().size(); ++i) pass.output()[i] = pass.input(0)[i] * pass.input(1)[i];
  }
  static void backward_input(const remat::backward_pass& pass) {
    for (int k = 0; k < 2; ++k)
      if (pass.wants_input_gradient(k))
        pass.input_gradient(k).assign(
            [dy = pass.output_gradient(), other = pass.input(1 - k)](std::size_t i) { return dy[i] * other[i]; });
  }
};

TEST_CASE("what works in place leaves a gradient alone that it reads for two inputs, which are one tensor") {
  using remat::parallel, remat::identity, remat::tensor;
  using linear = remat::nn::linear<8, 8>;
  const auto check = []<class Both>(Both) {
    const remat::program p =
        remat::fuse(remat::lower<remat::sequential<linear, Both, linear>, tensor<float, 8>, remat::nn::mse_loss>());
    CHECK(remat::check_plan(p, remat::plan_training(p, 4)).fault == "");
  };
  check(parallel<remat::nn::swiglu, identity, identity>{});
  check(parallel<product_in_place, identity, identity>{});
  remat::model<parallel<product_in_place, identity, identity>, tensor<float, 8>> m{
      {.seed = 1, .input_gradients = true}};
  const std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8}, dy(8, 1);
  m.forward(x);
  m.backward(dy);
  for (std::size_t i = 0; i < 8; ++i) CHECK(m.input_gradient()[i] == 2 * x[i]);
}

TEST_CASE("the optimum of a placement may be above the maximum of the live sum") {
  struct life {
    std::size_t size;
    int first, last;
  };
  remat::core::list<remat::detail::allocation> allocations;
  for (const auto& [size, first, last] :
       {life{1, 3, 5}, {2, 0, 1}, {1, 3, 6}, {2, 7, 7}, {2, 0, 0}, {2, 6, 7}, {1, 5, 6}, {2, 1, 3}}) {
    remat::detail::allocation s;
    s.size = size * remat::alignment;
    s.first = first;
    s.last = last;
    allocations.push_back(s);
  }
  const exact_placement exact = exact_placement_search(allocations).run(10 * remat::alignment, 10'000);
  CHECK(exact.at_least == 5 * remat::alignment);  // 4 live at once
  CHECK(exact.at_most == 5 * remat::alignment);
}

}  // namespace placement_tests
