// SPDX-License-Identifier: MIT
// Simulated programs: what can be calculated by hand, that nothing of a plan is lost, and a thousand stages.
#include <remat/partition/simulated_program.hpp>

#include <remat/model/repeat.hpp>
#include <remat/model/sequential.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/mse_loss.hpp>
#include <remat/nn/tanh.hpp>
#include <remat/partition/partition.hpp>
#include <remat/plan/annotate.hpp>
#include <remat/schedule/schedule.hpp>

#include <plan/random_programs.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace simulated_program_tests {

namespace nn = remat::nn;
namespace schedule = remat::schedule;
using Catch::Matchers::Contains;

using block = remat::sequential<nn::linear<16, 16>, nn::tanh, nn::linear<16, 16>, nn::tanh>;

template <std::size_t Blocks>
remat::program chain(int stages, const std::vector<remat::checkpoint_at>& checkpoints) {
  remat::program p = remat::lower<remat::repeat<Blocks, block>, remat::tensor<float, 16>, nn::mse_loss>();
  annotate(p, checkpoints);
  p = fuse(std::move(p));
  std::vector<int> first;
  for (int stage = 1; stage < stages; ++stage) first.push_back(p.operations.count() * stage / stages);
  assign_stages(p, remat::partition::boundaries(first), {.stages = stages});
  return p;
}

double flops(std::size_t batch) { return 2.0 * 16 * 16 * static_cast<double>(batch); }

TEST_CASE("a simulated chain takes what its products take", "[dist]") {
  // 4 blocks of 2 products each, on 2 stages; the loss, which counts for little, is on the last.
  remat::program p = remat::lower<remat::repeat<4, block>, remat::tensor<float, 16>, nn::mse_loss>();
  annotate(p, {remat::checkpoint_at("", remat::strategy::each{})});
  p = fuse(std::move(p));
  REQUIRE(p.operations.count() == 9);
  assign_stages(p, remat::partition::boundaries({4}), {.stages = 2});
  for (remat::operation& o : p.operations) o.flops = o.kind == "linear" ? 512 : 0;
  const std::size_t batch = 8;
  const double product = 1;
  const remat::operation_costs costs = remat::counted_seconds(p, batch, flops(batch));
  const auto table = schedule::gpipe.make(2, 3);
  const remat::simulated_program s = remat::simulate(p, table, costs, {.has_timeline = true});
  CHECK(s.given.stages[0].forward == Approx(4 * product));
  CHECK(s.given.stages[1].forward == Approx(4 * product));
  // The last product of a block is not recomputed: its output is kept, or its backward pass needs none.
  CHECK(s.recomputed[0] == Approx(2 * product));
  // The first block's recomputation follows on the second's backward pass.
  CHECK(s.given.stages[0].recompute == Approx(1 * product));
  CHECK(s.given.stages[0].backward == Approx(7 * product + 1 * product));
  CHECK(s.given.stages[1].recompute + s.given.stages[1].backward == Approx(8 * product + s.recomputed[1]));
  REQUIRE(s.given.messages.size() == 2);
  for (const remat::sized_message& m : s.given.messages) CHECK(m.bytes == 16 * sizeof(float) * batch);
  CHECK(s.step.seconds == remat::simulate(table, s.given).seconds);
  CHECK(!s.step.events.empty());
  for (const remat::rank_bytes& rank : s.ranks) {
    CHECK(rank.weights == 4 * (16 * 16 + 16) * sizeof(float));
    CHECK(rank.gradients == rank.weights);
    CHECK(rank.activations > 0);
  }
}

TEST_CASE("nothing of a stage's plan is lost", "[dist]") {
  rc::prop("the seconds of the stages are those of their plans", [] {
    const random_programs::random_program made = random_programs::make_program(random_programs::pick(6, 30));
    remat::program p = made.value;
    random_programs::add_checkpoints(p);
    for (remat::operation& o : p.operations) o.flops = random_programs::pick(0, 100);
    const int stages = random_programs::pick(1, 5);
    remat::silence_warning(remat::warning_names::skipped_checkpoint);
    assign_stages(p, remat::partition::uniform, {.stages = stages});
    remat::operation_costs costs = remat::counted_costs(p, 2);
    for (double& each : costs.per_byte) each = random_programs::pick(0, 3);
    const auto table = schedule::one_f_one_b.make(stages, random_programs::pick(1, 6));
    const remat::simulated_program s = remat::simulate(p, table, costs);
    const auto plans = remat::stage_plans(p, table, 2);
    for (int i = 0; i < stages; ++i) {
      const remat::stage_cost& cost = s.given.stages[i];
      const remat::plan& of_stage = plans[static_cast<std::size_t>(i)];
      RC_ASSERT(cost.forward + cost.recompute + cost.backward + cost.update == predicted_cost(of_stage, costs));
      RC_ASSERT(cost.recompute <= s.recomputed[static_cast<std::size_t>(i)]);
      bool waits = false;
      for (const remat::stage_port& each : of_stage.ports) waits = waits || (each.is_gradient && each.receives());
      if (!waits) RC_ASSERT(cost.recompute == s.recomputed[static_cast<std::size_t>(i)]);
    }
  });
}

TEST_CASE("recomputation that starts early overlaps the gradient's way", "[dist]") {
  const remat::program p = chain<8>(4, {remat::checkpoint_at("", remat::strategy::contiguous{})});
  const remat::operation_costs costs = remat::counted_seconds(p, 8, flops(8));
  const auto table = schedule::one_f_one_b.make(4, 8);
  remat::pipeline_costs how{.connection = {1, 1e9}};
  const auto early = remat::simulate(p, table, costs, how);
  how.early_recompute = false;
  const auto late = remat::simulate(p, table, costs, how);
  CHECK(early.step.seconds < late.step.seconds);
  CHECK(early.step.hidden_recompute() > 0);
  CHECK(late.step.hidden_recompute() == 0);
  const auto kept = remat::simulate(chain<8>(4, {}), table, costs, how);
  CHECK(kept.step.seconds < early.step.seconds);
  for (std::size_t rank = 0; rank < 3; ++rank) CHECK(early.ranks[rank].activations < kept.ranks[rank].activations);
}

TEST_CASE("under a budget, each rank is within it, with its micro-batches in flight and its messages", "[dist]") {
  const remat::operation_costs costs = remat::counted_seconds(chain<8>(4, {}), 8, flops(8));
  for (const auto& setting : {schedule::one_f_one_b, schedule::gpipe, schedule::zero_bubble}) {
    const auto table = setting.make(4, 8);
    const auto kept = remat::simulate(chain<8>(4, {}), table, costs);
    const std::size_t most = std::ranges::max(kept.ranks, {}, &remat::rank_bytes::activations).activations;
    for (const std::size_t tenths : {10u, 9u, 8u, 7u}) {
      INFO(setting.name << ", " << tenths << " tenths of " << most << " bytes");
      const std::size_t bytes = most * tenths / 10;
      const std::vector<remat::checkpoint_at> checkpoints{remat::checkpoint_at("", remat::budget{bytes})};
      if (tenths < 10 && setting.name == schedule::zero_bubble.name) {
        // What the gradients of the last stage's parameters wait for cannot be computed again.
        CHECK_THROWS_WITH(remat::simulate(chain<8>(4, checkpoints), table, costs), Contains("too small"));
        continue;
      }
      const auto s = remat::simulate(chain<8>(4, checkpoints), table, costs);
      for (const remat::rank_bytes& rank : s.ranks) CHECK(rank.activations <= bytes);
      CHECK((*std::ranges::max_element(s.recomputed) > 0) == (tenths < 10));
    }
  }
}

TEST_CASE("1,024 stages are simulated", "[once][dist]") {
  const remat::program p = chain<2048>(1024, {remat::checkpoint_at("", remat::strategy::each{})});
  const remat::operation_costs costs = remat::counted_seconds(p, 1, 1e9);
  for (const auto& setting : {schedule::one_f_one_b, schedule::gpipe}) {
    const auto s = remat::simulate(p, setting.make(1024, 64), costs, {.connection = {1e-6, 1e10}});
    INFO(setting.name);
    CHECK(s.step.bubble() > 0.9);  // 64 micro-batches are few
    CHECK(s.ranks.size() == 1024);
    CHECK(s.given.messages.size() == 2 * 1023);
  }
}

TEST_CASE("what does not fit together is refused", "[dist]") {
  const remat::program p = chain<8>(4, {});
  const remat::operation_costs costs = remat::counted_seconds(p, 1, 1e9);
  CHECK_THROWS_WITH(remat::simulate(p, schedule::gpipe.make(3, 4), costs),
                    Contains("the program has 4 stages, and the schedule has 3"));
  CHECK_THROWS_WITH(remat::simulate(chain<4>(4, {}), schedule::gpipe.make(4, 4), costs),
                    Contains("profile this model"));
  CHECK_THROWS_WITH(remat::counted_seconds(p, 1, 0), Contains("give one above 0"));
}

}  // namespace simulated_program_tests
