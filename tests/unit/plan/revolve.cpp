// SPDX-License-Identifier: MIT
// revolve: its closed form is the least of the recurrence, plans and executed steps are as it says, and bits are the
// same.
#include "same_bits.hpp"
#include "uniform_chain.hpp"

#include "../run/counted_kernels.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <vector>

namespace revolve_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using remat::binomial_forward_steps, remat::checkpoint_at, remat::revolve;

/// y = x - x^2 / 10, whose backward reads what forward saves: a last pass of each step comes right before its backward.
struct saving_step : remat::module {
  static constexpr std::string_view kind = "saving_step";
  template <class X>
  static X output(X);
  template <class X>
  static X saved_shape(X);
  static constexpr auto backward_input_reads = remat::reads::saved;
  static void forward(const remat::forward_pass& pass) {
    const auto x = pass.input();
    for (std::size_t i = 0; i < x.size(); ++i) {
      pass.output()[i] = x[i] - x[i] * x[i] / 10;
      if (!pass.saved().empty()) pass.saved()[i] = 1 - x[i] / 5;
    }
  }
  static void backward_input(const remat::backward_pass& pass) {
    const auto slope = pass.saved(), dy = pass.output_gradient();
    pass.input_gradient().assign([=](std::size_t i) { return slope[i] * dy[i]; });
  }
};
/// The same, whose backward reads the input: no step has a last pass.
struct reading_step : remat::module {
  static constexpr std::string_view kind = "reading_step";
  template <class X>
  static X output(X);
  static constexpr auto backward_input_reads = remat::reads::inputs;
  static void forward(const remat::forward_pass& pass) {
    const auto x = pass.input();
    for (std::size_t i = 0; i < x.size(); ++i) pass.output()[i] = x[i] - x[i] * x[i] / 10;
  }
  static void backward_input(const remat::backward_pass& pass) {
    const auto x = pass.input(), dy = pass.output_gradient();
    pass.input_gradient().assign([=](std::size_t i) { return (1 - x[i] / 5) * dy[i]; });
  }
};
using input = remat::tensor<float, 32>;
template <class Step>
remat::program chain(std::size_t links, std::size_t slots) {
  static const remat::program one = remat::lower<remat::repeat<1, Step>, input>();
  remat::program p = uniform_chain::repeated(one, static_cast<int>(links), {revolve{slots}});
  p.input_gradients = true;
  return p;
}

TEST_CASE("the closed form is the least of all schedules of a number of slots") {
  constexpr std::size_t links = 300, slots = 40;
  // The least number of steps before the last pass of each link:
  // least[s][l] = min over m of m + least[s][m] + least[s - 1][l - m].
  constexpr std::size_t never = std::numeric_limits<std::size_t>::max() / 4;
  std::vector<std::vector<std::size_t>> least(slots + 1, std::vector<std::size_t>(links + 1, never));
  for (std::size_t s = 0; s <= slots; ++s) least[s][1] = 0;
  for (std::size_t s = 1; s <= slots; ++s)
    for (std::size_t l = 2; l <= links; ++l)
      for (std::size_t m = 1; m < l; ++m) least[s][l] = std::min(least[s][l], m + least[s][m] + least[s - 1][l - m]);
  bool are_same = true;
  for (std::size_t s = 1; s <= slots; ++s)
    for (std::size_t l = 1; l <= links; ++l) are_same = are_same && binomial_forward_steps(l, s) == l + least[s][l];
  CHECK(are_same);
  CHECK(binomial_forward_steps(10'000, 10'000) == 19'999);
  CHECK(binomial_forward_steps(10'000, 1) == 10'000 * 9'999 / 2 + 10'000);
  CHECK_THROWS_WITH(binomial_forward_steps(3, 0), Contains("at least one slot"));
}

std::size_t planned_steps(std::size_t links, std::size_t slots) {
  const remat::program p = chain<saving_step>(links, slots);
  const remat::plan_request request{.batch = 1};
  const remat::detail::training_planner planner(p, request);
  std::size_t steps = links;
  for (const remat::segment_plan& each : planner.with_segments({}).segment_plans) steps += each.recomputed.size();
  return steps;
}

TEST_CASE("planned steps are those of the closed form, of all lengths up to 300 and slots up to 40", "[once]") {
  for (std::size_t links = 1; links <= 300; ++links)
    for (std::size_t slots = 1; slots <= 40; ++slots) {
      INFO(links << " links, " << slots << " slots");
      REQUIRE(planned_steps(links, slots) == binomial_forward_steps(links, slots));
    }
}

TEST_CASE("a schedule of more steps than a plan has room for is refused, with the slots that are enough") {
  CHECK_THROWS_WITH(
      planned_steps(10'000, 1),
      Contains("10000 modules with 1 slot runs modules more than ten million") && Contains("give it 2 slots or more"));
  CHECK(planned_steps(10'000, 2) == binomial_forward_steps(10'000, 2));
}

TEST_CASE("at any time no more inputs of links wait than there are slots") {
  constexpr std::size_t unit = 32 * sizeof(float);
  for (const std::size_t links : {2u, 3u, 7u, 20u, 64u})
    for (const std::size_t slots : {1u, 2u, 3u, 5u, 9u}) {
      const std::size_t live = remat::plan_training(chain<saving_step>(links, slots), 1).live_bytes;
      INFO(links << " links, " << slots << " slots");
      // In addition there are the input of the last link of a segment, what it makes and saves, and a gradient that
      // waits.
      CHECK(live <= (std::min(slots, links) + 4) * unit);
    }
}

/// The gradient of the input of a chain, and how often a link has run forward.
struct result {
  std::size_t forward = 0;
  std::vector<float> gradient;
};
result run(remat::program p) {
  remat::network network(kernel_calls::counting(std::move(p)), {.threads = 1, .input_gradients = true});
  std::vector<float> x(3 * 32), dy(3 * 32, 1.0f);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.01f * static_cast<float>(i);
  kernel_calls::counted = {};
  network.forward(x);
  network.backward(dy);
  const auto gradient = network.input_gradient();
  return {kernel_calls::counted.forward, {gradient.begin(), gradient.end()}};
}

TEST_CASE("executed steps are those of the closed form, and gradients have the bits of a plan that keeps everything") {
  for (const std::size_t links : {1u, 2u, 3u, 5u, 8u, 13u, 21u, 34u, 55u, 80u}) {
    remat::program kept = chain<saving_step>(links, 1);
    kept.nodes[0].checkpoints.clear();
    const result expected = run(kept);
    CHECK(expected.forward == links);
    for (const std::size_t slots : {1u, 2u, 3u, 5u, 9u}) {
      INFO(links << " links, " << slots << " slots");
      const result saving = run(chain<saving_step>(links, slots)), reading = run(chain<reading_step>(links, slots));
      CHECK(saving.forward == binomial_forward_steps(links, slots));
      CHECK(reading.forward == binomial_forward_steps(links, slots) - (links - 1));
      CHECK(same_bits(saving.gradient, expected.gradient));
      CHECK(same_bits(reading.gradient, expected.gradient));
    }
  }
}

using block = remat::residual<remat::sequential<nn::linear<8, 8>, nn::tanh, nn::dropout<0.1>>>;
template <class Chain>
using net = remat::sequential<nn::linear<8, 8>, nn::relu, remat::named<"h", Chain>, nn::linear<8, 3>, nn::log_softmax>;
template <class Chain>
using model = remat::model<net<Chain>, remat::tensor<float, 8>, nn::nll_loss>;

TEST_CASE("a tag is the same plan as its value, within a network and with checkpoints inside of the links") {
  const model<remat::checkpoint<remat::repeat<9, block>, revolve<3>>> tag{{.threads = 1}};
  const model<remat::repeat<9, block>> value{{.threads = 1, .checkpoints = {checkpoint_at("h", revolve{3})}}};
  CHECK(tag.plan(4).recompute > 0);
  CHECK(tag.plan(4).recomputed == value.plan(4).recomputed);
  const model<remat::repeat<9, block>> inside{
      {.threads = 1, .checkpoints = {checkpoint_at("h", revolve{3}), checkpoint_at("h.*")}}};
  CHECK(inside.plan(4).recompute > value.plan(4).recompute);
  CHECK(inside.plan(4).activation_bytes <= value.plan(4).activation_bytes);
}

TEST_CASE("revolve takes uniform chains, of at least one slot") {
  const auto at = [](const char* path, revolve<> policy) {
    return model<remat::repeat<9, block>>{{.checkpoints = {checkpoint_at(path, policy)}}};
  };
  CHECK_THROWS_WITH(at("", revolve{3}), Contains("'1' is another one than the child before it"));
  CHECK_THROWS_WITH(at("h.0", revolve{3}), Contains("is no sequential"));
  CHECK_THROWS_WITH(revolve{0}, Contains("at least one slot"));
  using unequal = remat::sequential<nn::linear<8, 8>, nn::linear<8, 8>, nn::tanh>;
  CHECK_THROWS_WITH((model<remat::checkpoint<unequal, revolve<2>>>{}), Contains("'h.2' is another one"));
  CHECK_THROWS_WITH(
      (model<remat::set_activation_checkpointing<unequal, "", remat::strategy::contiguous, revolve<2>>>{}),
      Contains("'h.2' is another one"));
  CHECK_NOTHROW(model<remat::checkpoint<remat::sequential<nn::linear<8, 8>, nn::linear<8, 8>>, revolve<2>>>{});
}

/// A user's own: segments of four children, in which the first two are one.
struct pairs_in_fours : remat::recompute_all {
  std::size_t first = 1, last = 2;
  static constexpr std::size_t links(std::size_t) { return 4; }
  remat::core::list<remat::chain_segment> nested(std::size_t children) const {
    if (children < 4) return {};
    return {{0, 2}, {first, last}};
  }
};
TEST_CASE("a policy of one's own nests segments of a chain") {
  const auto with = [](pairs_in_fours policy) {
    return model<remat::repeat<9, block>>{{.threads = 1, .checkpoints = {checkpoint_at("h", policy)}}}.plan(4);
  };
  const auto fours = model<remat::repeat<9, block>>{{.checkpoints = {checkpoint_at("h", remat::every<4>{})}}}.plan(4);
  CHECK(with({}).recompute > fours.recompute);
  CHECK_THROWS_WITH(with({{}, 1, 3}), Contains("not inside of the one around it"));
  CHECK_THROWS_WITH(with({{}, 3, 5}), Contains("not inside of the one around it"));
}

TEST_CASE("more slots than links are of no use, however many they are") {
  const std::size_t all = std::numeric_limits<std::size_t>::max();
  CHECK(remat::binomial_forward_steps(10, all) == remat::binomial_forward_steps(10, 10));
  CHECK(remat::binomial_forward_steps(1, all) == 1);
  CHECK(remat::detail::binomial_segments(10, all).size() == remat::detail::binomial_segments(10, 10).size());
}

}  // namespace revolve_tests
