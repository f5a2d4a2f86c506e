// SPDX-License-Identifier: MIT
// Packed weights: when they are packed changes no bit, and takes the memory that is planned for it.
#include "random_batch.hpp"

#include <networks/networks.hpp>
#include <networks/policies.hpp>

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace packing_tests {

namespace nn = remat::nn;
using remat::action_kind, remat::packing;

constexpr packing all_ways[] = {packing::automatic, packing::before_each_use, packing::kept};

struct traced {
  std::vector<float> losses = {};
  std::vector<std::byte> parameters = {};
};

traced train(remat::network& model, const networks::network& n, std::size_t samples) {
  traced t;
  remat::sgd optimizer{{.learning_rate = 0.02f, .momentum = 0.9f}};
  for (std::uint64_t step = 0; step < 2; ++step) {
    t.losses.push_back(train_step(model, random_batch(n, model.lowered(), samples, step)));
    optimizer.step(model);
  }
  const std::span<const std::byte> values = remat::internals::store(model).value_block();
  t.parameters.assign(values.begin(), values.end());
  return t;
}

TEST_CASE("a step has the same bits and uses the planned memory, whenever it packs", "[once]") {
  std::size_t kept = 0, packed_again = 0;
  for (const char* name : {"example_01", "resnet", "unet", "branches", "grid"})
    for (const char* policy : {"none", "each", "all as one"})
      for (const std::size_t parts : {1u, 3u}) {
        const networks::network& n = networks::named(name);
        const remat::program p = n.lower();
        traced expected;
        std::size_t bytes_before_each_use = 0;
        for (const packing how : all_ways) {
          INFO(name << ", " << policy << ", " << parts << " micro-batches, packing " << static_cast<int>(how));
          remat::network model = make(n, p,
                                      {.seed = 3,
                                       .threads = 1,
                                       .checkpoints = networks::policy_named(policy).checkpoints(n, p),
                                       .microbatches = parts,
                                       .packing = how});
          const std::size_t samples = parts * n.microbatch + (parts > 1 ? 1 : 0);  // of two sizes
          const traced found = train(model, n, samples);
          if (expected.losses.empty()) expected = found;
          CHECK(found.losses == expected.losses);
          CHECK((found.parameters == expected.parameters));  // bytes
          CHECK(networks::with(random_batch(n, p, n.microbatch, 1), [&](const auto&... tensors) {
                  return remat::audit(model, tensors...);
                }).holds());
          const remat::plan_report r = model.plan();
          CHECK(r.kept_packed_bytes <= r.packed_bytes);
          CHECK((how != packing::before_each_use || r.kept_packed_bytes == 0));
          const remat::regions reserved = model.reserved();
          if (how == packing::before_each_use) bytes_before_each_use = reserved.kernels();
          if (how == packing::kept) CHECK(reserved.kernels() >= bytes_before_each_use);
          kept += how == packing::kept && r.kept_packed_bytes > 0;
          packed_again += how == packing::automatic && r.packed_bytes > 0 && r.kept_packed_bytes == 0 && parts > 1;
        }
      }
  CHECK(kept > 10);
  CHECK(packed_again > 0);
}

/// The executor of a chain of convolutions of (C, H, W) images.
template <std::size_t C, std::size_t Size>
remat::executor chain(std::size_t batch, const remat::kernel_options& how, bool recomputes) {
  using convolution = nn::conv2d<C, C, 3, nn::window{.padding = 1}>;
  using net = remat::sequential<remat::repeat<4, convolution>, nn::flatten>;
  static remat::program p = remat::fuse(remat::lower<net, remat::image<float, C, Size, Size>, nn::mse_loss>());
  remat::program planned = p;
  if (recomputes) {
    planned = remat::lower<net, remat::image<float, C, Size, Size>, nn::mse_loss>();
    remat::annotate(planned, {remat::checkpoint_at("0")});
    planned = remat::fuse(std::move(planned));
  }
  static remat::parameter_store store(p, 1);
  const remat::thread_scope scope(1);
  return remat::executor(p, remat::plan_training(planned, batch), store, how);
}
template <std::size_t C, std::size_t Size>
std::size_t kept(std::size_t batch, const remat::kernel_options& how, bool recomputes = false) {
  return chain<C, Size>(batch, how, recomputes).kernels().kept_bytes();
}

TEST_CASE("weights are packed again where that is little next to a product, and kept where it is not") {
  constexpr std::size_t weights = 64 * 64 * 3 * 3 * sizeof(float), copies = 7;  // the first one's input has no gradient
  CHECK(kept<64, 16>(64, {}) == 0);
  CHECK(kept<64, 16>(64, {.microbatches = 8}) == 0);
  CHECK(kept<64, 16>(64, {}, true) == 0);
  CHECK(kept<64, 4>(1, {}) == 0);  // each is used once
  CHECK(kept<64, 4>(1, {.microbatches = 8}) == copies * weights);
  CHECK(kept<64, 4>(1, {}, true) > 0);
  // A hundredth is not the whole.
  const std::size_t some = kept<64, 8>(8, {.microbatches = 2});
  CHECK(some > 0);
  CHECK(some < copies * weights);
  CHECK(kept<64, 16>(64, {.microbatches = 8, .packing = packing::kept}) == copies * weights);
  CHECK(kept<64, 16>(64, {.packing = packing::kept}) == 0);
  CHECK(kept<64, 4>(1, {.microbatches = 8, .packing = packing::before_each_use}) == 0);
}

TEST_CASE("packed weights that are kept are there from their first use to their last") {
  const remat::executor e = chain<64, 4>(1, {.microbatches = 4, .packing = packing::kept}, true);
  const remat::kernel_memory& m = e.kernels();
  CHECK(m.step_bytes() == m.kept_bytes());
  CHECK(count(e.planned(), action_kind::pack) == 7);  // of another micro-batch, none
  const remat::executor once = chain<64, 4>(1, {.packing = packing::kept}, true);
  CHECK(once.kernels().step_bytes() == 0);  // no other micro-batch reads them
  CHECK(once.kernels().kept_bytes() > 0);
  CHECK(once.kernels().kept_bytes() < m.kept_bytes());  // what backward reads is read once
  const remat::executor each = chain<64, 4>(1, {.packing = packing::before_each_use}, true);
  CHECK(count(each.planned(), action_kind::pack) > 7);
  CHECK(each.needed().kernels() < once.needed().kernels());
}

TEST_CASE("pack actions leave the rest of a tape as it is") {
  for (const char* name : {"resnet", "unet"}) {
    const networks::network& n = networks::named(name);
    const remat::program p = remat::fuse(n.lower());
    remat::parameter_store store(p, 1);
    const remat::thread_scope scope(1);
    const remat::plan made = remat::plan_training(p, n.microbatch);
    const remat::executor e(p, made, store);
    const remat::tape &with = e.planned().steps, &without = made.steps;
    std::vector<int> moved;
    for (int i = 0; i < with.actions.count(); ++i)
      if (with.actions[i].kind != action_kind::pack) moved.push_back(i);
    REQUIRE(moved.size() == without.actions.size());
    CHECK(with.actions.size() > without.actions.size());
    for (std::size_t i = 0; i < moved.size(); ++i) {
      CHECK(with.actions[moved[i]].kind == without.actions[i].kind);
      CHECK(with.actions[moved[i]].operation == without.actions[i].operation);
      CHECK(with.section_of(moved[i]) == without.section_of(static_cast<int>(i)));
    }
    for (int b = 0; b < without.buffers.count(); ++b) {
      CHECK(with.buffers[b].first == moved[static_cast<std::size_t>(without.buffers[b].first)]);
      CHECK(with.buffers[b].last == moved[static_cast<std::size_t>(without.buffers[b].last)]);
      CHECK(with.buffers[b].offset == without.buffers[b].offset);
    }
    // Each is packed right before what reads it, in the same section.
    for (int i = 0; i < with.actions.count(); ++i) {
      if (with.actions[i].kind != action_kind::pack) continue;
      REQUIRE(i + 1 < with.actions.count());
      CHECK(with.actions[i + 1].operation == with.actions[i].operation);
      CHECK(with.section_of(i) == with.section_of(i + 1));
    }
  }
}

/// y = a x, which reads `a` in memory of its own. Counts how often it is packed.
template <bool SaysWhoReads>
struct packs : remat::module {
  static constexpr std::string_view kind = "packs";
  static constexpr std::array parameters{remat::parameter("a", {1}, remat::initial::constant(2))};
  static constexpr auto backward_parameters_reads = remat::reads::inputs;
  template <class X>
  static X output(X);
  static inline int packed = 0;

  struct state : remat::prepared {};
  static std::unique_ptr<remat::prepared> prepare(const remat::preparation&) {
    auto made = std::make_unique<state>();
    made->packed.push_back({sizeof(float), SaysWhoReads ? remat::passes::all : remat::passes::forward});
    return made;
  }
  static void pack(const remat::pack_pass& pass) {
    ++packed;
    *reinterpret_cast<float*>(pass.packed()) = pass.parameter(0)[0];
  }
  static void forward(const remat::forward_pass& pass) {
    for (std::size_t i = 0; i < pass.input().size(); ++i) pass.output()[i] = factor(pass) * pass.input()[i];
  }
  static void backward_input(const remat::backward_pass& pass) {
    pass.input_gradient().assign([dy = pass.output_gradient(), a = factor(pass)](std::size_t i) { return a * dy[i]; });
  }
  static void backward_parameters(const remat::backward_pass& pass) {
    float sum = 0;
    for (std::size_t i = 0; i < pass.input().size(); ++i) sum += pass.input()[i] * pass.output_gradient()[i];
    pass.parameter_gradient(0).assign([=](std::size_t) { return sum; });
  }

 private:
  static float factor(const remat::kernel_pass& pass) { return *reinterpret_cast<const float*>(pass.packed()); }
};
/// Asks for packed weights that nobody writes.
struct never_packs : packs<true> {
  static void pack(int);
  using kernels = never_packs;
};

template <class M>
using around = remat::model<remat::sequential<nn::linear<4, 4>, M, nn::linear<4, 3>, nn::log_softmax>,
                            remat::tensor<float, 4>, nn::nll_loss>;
const std::vector<float> x(8, 0.5f);
const std::vector<std::int32_t> y{0, 2};

TEST_CASE("a layer of one's own is packed for what it says, also instead of several packings") {
  using layer = packs<true>;
  for (const packing how : all_ways) {
    const bool once = how != packing::before_each_use;  // so few FLOPs are less than packing
    around<layer> model{{.seed = 1, .checkpoints = {remat::checkpoint_at("")}, .packing = how}};
    layer::packed = 0;
    model.train_step(x, y);
    // Both halves of backward follow one another, and share what was packed for the first.
    CHECK(layer::packed == (once ? 1 : 3));
    CHECK(remat::audit(model, x, y).holds());
    model.predict(x);
  }
  around<layer> parts{{.seed = 1, .microbatches = 2}};
  layer::packed = 0;
  parts.train_step(x, y);
  CHECK(layer::packed == 1);
}

TEST_CASE("a pass that reads packed weights without saying so is told what to write") {
  around<packs<false>> model;
  CHECK_THROWS_WITH(model.train_step(x, y), Catch::Matchers::Contains("packs: packed weights 0 are not there"));
}

TEST_CASE("a report says how much is packed, and how much of it is kept") {
  const auto report_of = [](packing how, std::size_t parts) {
    using net = remat::sequential<nn::conv2d<3, 16, 3>, nn::relu, nn::conv2d<16, 16, 3>, nn::flatten>;
    remat::model<net, remat::image<float, 3, 8, 8>, nn::mse_loss> model{
        {.seed = 1, .threads = 1, .microbatches = parts, .packing = how}};
    model.train_step(std::vector<float>(4 * 192), std::vector<float>(4 * 256));
    const remat::plan_report r = model.plan();
    CHECK(r.packed_bytes == model.reserved().packed);
    CHECK(model.memory().packed == r.packed_bytes);
    std::ostringstream text;
    text << r;
    return text.str();
  };
  CHECK_THAT(report_of(packing::before_each_use, 2), Catch::Matchers::Contains("(packed before each use)"));
  CHECK_THAT(report_of(packing::kept, 2), Catch::Matchers::Contains("are kept for another use)"));
  CHECK_THAT(report_of(packing::kept, 1), Catch::Matchers::Contains("(packed before each use)"));
}

}  // namespace packing_tests
