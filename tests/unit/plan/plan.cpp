// SPDX-License-Identifier: MIT
// What plans keep and recompute, on networks small enough to know by hand.
#include <remat/nn/conv2d.hpp>
#include <remat/nn/dropout.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/report.hpp>

#include <catch2/catch.hpp>

#include <chrono>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace plan_tests {

namespace nn = remat::nn;
using remat::checkpoint, remat::sequential;

template <class Net, class Input>
remat::plan_report planned_on(std::size_t batch) {
  const remat::program p = remat::fuse(remat::lower<Net, Input, nn::nll_loss>());
  return remat::report(p, remat::plan_training(p, batch));
}
template <class Net, std::size_t... In>
remat::plan_report planned(std::size_t batch = 2) {
  return planned_on<Net, remat::tensor<float, In...>>(batch);
}

using layer = nn::linear<16, 16>;
using head = sequential<nn::linear<16, 4>, nn::log_softmax>;

TEST_CASE("the inside of one layer is empty: checkpointing it recomputes nothing") {
  const auto plain = planned<sequential<layer, layer, head>, 16>();
  const auto checked = planned<sequential<checkpoint<layer>, checkpoint<layer>, head>, 16>();
  CHECK(checked.recompute == 0);
  CHECK(checked.kept_bytes == plain.kept_bytes);
  CHECK(checked.activation_bytes == plain.activation_bytes);
}

TEST_CASE("checkpoint each over (linear, relu) links recomputes nothing and costs nothing") {
  using link = sequential<layer, nn::relu>;
  const auto plain = planned<sequential<sequential<link, link, link>, head>, 16>();
  const auto each = planned<sequential<remat::checkpoint_sequential<sequential<link, link, link>>, head>, 16>();
  CHECK(each.recompute == 0);
  CHECK(each.kept_bytes == plain.kept_bytes);
  CHECK(each.activation_bytes == plain.activation_bytes);
}

TEST_CASE("recomputation stops early") {
  // Backward of the last layer reads its input; what the last layer gives is kept by the head. So two of three run
  // again.
  const auto r = planned<sequential<checkpoint<sequential<layer, layer, layer>>, head>, 16>();
  CHECK(r.recomputed == std::vector<std::string>{"0.0 linear", "0.1 linear"});
}

TEST_CASE("an inner checkpoint is dropped and computed again inside the recomputation of an outer one") {
  using inner = checkpoint<sequential<layer, layer, layer>>;
  const auto r = planned<sequential<checkpoint<sequential<inner, inner>>, head>, 16>();
  // The outer recomputation runs the first inner segment for the input of the second, then each inner one its own two.
  CHECK(r.recomputed == std::vector<std::string>{"0.0.0 linear", "0.0.1 linear", "0.0.2 linear", "0.1.0 linear",
                                                 "0.1.1 linear", "0.0.0 linear", "0.0.1 linear"});
}

TEST_CASE("a segment that would keep more than without a checkpoint is left plain") {
  // A pool keeps a byte for each output; checkpointed, it would keep its input.
  using net = sequential<nn::conv2d<1, 4, 3>, nn::max_pool2d<2>, nn::flatten, nn::linear<36, 4>, nn::log_softmax>;
  using checked =
      sequential<nn::conv2d<1, 4, 3>, checkpoint<nn::max_pool2d<2>>, nn::flatten, nn::linear<36, 4>, nn::log_softmax>;
  using input = remat::image<float, 1, 8, 8>;
  const auto plain = planned_on<net, input>(2);
  const auto r = planned_on<checked, input>(2);
  CHECK(r.kept_bytes == plain.kept_bytes);
  CHECK(r.recompute == 0);
  CHECK(r.plain == std::vector<std::string>{"1"});
  std::ostringstream text;
  text << r;
  CHECK(text.str().find("plain: the checkpoint at 1 would keep more than none") != std::string::npos);
}

TEST_CASE("policies decide operation by operation") {
  struct keep_linear {
    static constexpr remat::decision decide(const remat::operation_view& o) {
      return o.kind == "linear" ? remat::decision::keep : remat::decision::recompute;
    }
  };
  using inside = sequential<layer, nn::dropout<>, layer, nn::dropout<>, layer>;
  const auto plain = planned<sequential<inside, head>, 16>();
  const auto all = planned<sequential<checkpoint<inside>, head>, 16>();
  const auto saved = planned<sequential<checkpoint<inside, remat::save_all>, head>, 16>();
  const auto some = planned<sequential<checkpoint<inside, keep_linear>, head>, 16>();
  CHECK(saved.kept_bytes == plain.kept_bytes);
  CHECK(saved.recompute == 0);
  CHECK(all.recomputed == std::vector<std::string>{"0.0 linear", "0.1 dropout", "0.2 linear", "0.3 dropout"});
  CHECK(all.kept_bytes < plain.kept_bytes);
  CHECK(some.recomputed == std::vector<std::string>{"0.3 dropout", "0.1 dropout"});
}

TEST_CASE("policies decide for a segment as a whole") {
  struct keep_every_second {
    static constexpr remat::core::list<remat::decision> plan(std::span<const remat::operation_view> segment,
                                                             const remat::segment_context&) {
      remat::core::list<remat::decision> decisions;
      for (std::size_t i = 0; i < segment.size(); ++i)
        decisions.push_back(i % 2 == 1 ? remat::decision::keep : remat::decision::recompute);
      return decisions;
    }
  };
  using inside = sequential<layer, layer, layer, layer, layer>;
  const auto r = planned<sequential<checkpoint<inside, keep_every_second>, head>, 16>();
  CHECK(r.recomputed == std::vector<std::string>{"0.2 linear", "0.0 linear"});
}

TEST_CASE("a relu's mask moves after the pool that follows it") {
  using net =
      sequential<nn::conv2d<1, 8, 3>, nn::relu, nn::max_pool2d<2>, nn::flatten, nn::linear<72, 4>, nn::log_softmax>;
  const remat::program p = remat::fuse(remat::lower<net, remat::image<float, 1, 8, 8>, nn::nll_loss>());
  REQUIRE(p.operations.size() == 6);
  CHECK((p.operations[0].activation_after == remat::activation::relu &&
         p.operations[0].gradient_through == remat::activation::none));
  CHECK((p.operations[1].kind == "max_pool2d" && p.operations[1].gradient_through == remat::activation::relu));
}

TEST_CASE("a relu whose input somebody else reads is not fused") {
  remat::program p = remat::lower<sequential<layer, nn::relu, layer>, remat::tensor<float, 16>>();
  p.outputs.push_back(p.operations[0].outputs[0]);
  CHECK(remat::fuse(p).operations.size() == 3);
}

TEST_CASE("inference keeps nothing") {
  using net = sequential<layer, layer, layer, layer, layer, layer>;
  const remat::program p = remat::fuse(remat::lower<net, remat::tensor<float, 16>>());
  CHECK(remat::plan_inference(p, 1).activation_bytes == 2 * 64);
}

TEST_CASE("a chain of 1,000 layers is planned without a gap in its memory") {
  using ten = sequential<layer, layer, layer, layer, layer, layer, layer, layer, layer, layer>;
  using hundred = sequential<ten, ten, ten, ten, ten, ten, ten, ten, ten, ten>;
  using thousand = remat::checkpoint_sequential<
      sequential<hundred, hundred, hundred, hundred, hundred, hundred, hundred, hundred, hundred, hundred>>;
  const auto begin = std::chrono::steady_clock::now();
  const remat::program p =
      remat::fuse(remat::lower<sequential<thousand, head>, remat::tensor<float, 16>, nn::nll_loss>());
  const remat::plan made = remat::plan_training(p, 64);
  const double milliseconds =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  WARN("planned " << p.operations.size() << " operations in " << milliseconds << " ms");
  CHECK(remat::count(made, remat::action_kind::recompute) == 990);
  CHECK(made.activation_bytes == made.live_bytes);
}

}  // namespace plan_tests
