// SPDX-License-Identifier: MIT
// Budgets that look at what the pipeline waits for: within the same bytes the step is never longer, shorter where
// stages wait, and as long as without any checkpoint where what is computed again fits into the time that they wait.
#include "blocks_in_stages.hpp"

#include <remat/partition/simulated_program.hpp>

#include <remat/core/policies.hpp>
#include <remat/schedule/schedule.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bubble_search_tests {

namespace schedule = remat::schedule;
using blocks_in_stages::chain, blocks_in_stages::each_for_itself, blocks_in_stages::samples;

/// A product's pass takes a second.
remat::operation_costs costs_of(const remat::program& p) {
  return remat::counted_seconds(p, samples, 2.0 * 16 * 16 * samples);
}

/// The seconds that a step computes again, in all micro-batches of all stages.
double recomputed(const remat::simulated_program& s) {
  double sum = 0;
  for (const double each : s.recomputed) sum += each;
  return sum;
}

struct pipeline {
  remat::schedule_setting schedule;
  std::vector<int> firsts;  // blocks
  std::vector<int> microbatches;
};

const std::vector<pipeline>& pipelines() {
  static const std::vector<pipeline> all{{schedule::gpipe, {8}, {1, 2, 5}},
                                         {schedule::gpipe, {5}, {4}},
                                         {schedule::gpipe, {4, 8, 12}, {2, 4}},
                                         {schedule::one_f_one_b, {8}, {1, 2, 5}},
                                         {schedule::one_f_one_b, {5}, {4, 8}},
                                         {schedule::one_f_one_b, {4, 9}, {3, 6}},
                                         {schedule::one_f_one_b, {4, 8, 12}, {4, 8}},
                                         {schedule::zero_bubble, {8}, {2, 6}},
                                         {schedule::zero_bubble, {5}, {4}},
                                         {schedule::zero_bubble, {3, 9}, {6}},
                                         {schedule::interleaved<2>, {4, 8, 12}, {2, 4}},
                                         {schedule::interleaved<2>, {3, 8, 11}, {4}}};
  return all;
}

TEST_CASE("a step under budgets that look at the pipeline is never longer, in the same bytes", "[dist]") {
  int shorter = 0, all = 0;
  for (const pipeline& each : pipelines())
    for (const int microbatches : each.microbatches) {
      const int ranks = (static_cast<int>(each.firsts.size()) + 1) / each.schedule.stages_per_rank;
      const remat::schedule_table table = each.schedule.make(ranks, microbatches);
      const remat::simulated_program kept =
          remat::simulate(chain(each.firsts, {}), table, costs_of(chain(each.firsts, {})));
      for (const double share : {0.9, 0.75, 0.6}) {
        INFO(each.schedule.name << ", first cut at " << each.firsts[0] << ", " << microbatches << " micro-batches, "
                                << share);
        const remat::program p =
            chain(each.firsts, {remat::checkpoint_at("", remat::budget{remat::share_of_save_all(share)})});
        const remat::operation_costs costs = costs_of(p);
        std::optional<remat::simulated_program> alone;
        try {
          alone = remat::simulate(p, table, costs, {}, each_for_itself());
        } catch (const remat::error& e) {
          CHECK_THROWS_WITH(remat::simulate(p, table, costs), e.what());  // too small is too small
          continue;
        }
        const remat::simulated_program together = remat::simulate(p, table, costs);
        CHECK(together.step.seconds <= alone->step.seconds * (1 + 1e-9));
        CHECK(together.step.seconds >= kept.step.seconds * (1 - 1e-9));
        CHECK(together.step.seconds == remat::simulate(table, together.given).seconds);
        shorter += together.step.seconds < 0.999 * alone->step.seconds ? 1 : 0;
        ++all;
        // A rank lays out no more than the budget, all of its stages together.
        for (std::size_t rank = 0; rank < together.ranks.size(); ++rank)
          CHECK(static_cast<double>(together.ranks[rank].activations) <=
                share * static_cast<double>(kept.ranks[rank].activations));
      }
    }
  WARN(shorter << " of " << all << " are shorter");
  CHECK(shorter >= all / 4);
}

// Several micro-batches of it are in flight: what is computed again for one of them takes the memory of what the others
// dropped.
TEST_CASE("a stage that waits computes again for free", "[dist]") {
  int shorter = 0, longer = 0, all = 0;
  for (const pipeline& each : std::vector<pipeline>{{schedule::gpipe, {4}, {2, 3, 8}},
                                                    {schedule::one_f_one_b, {4}, {2, 3, 8}},
                                                    {schedule::zero_bubble, {4}, {2, 8}},
                                                    {schedule::one_f_one_b, {3, 9}, {3, 7}},
                                                    {schedule::gpipe, {3, 7, 11}, {2, 4}},
                                                    {schedule::one_f_one_b, {3, 7, 11}, {4, 8}}})
    for (const int microbatches : each.microbatches) {
      const int stages = static_cast<int>(each.firsts.size()) + 1;
      const remat::schedule_table table = each.schedule.make(stages, microbatches);
      const remat::program plain = chain(each.firsts, {});
      const remat::operation_costs costs = costs_of(plain);
      const remat::simulated_program kept = remat::simulate(plain, table, costs);
      for (const double share : {0.9, 0.8}) {
        INFO(each.schedule.name << ", " << stages << " stages, " << microbatches << " micro-batches, " << share);
        const auto with = [&](const remat::plan_terms& terms) {
          std::vector<remat::checkpoint_on_stage> of_stages;
          of_stages.emplace_back(0, remat::budget{remat::share_of_save_all(share)});
          for (int s = 1; s < stages; ++s) of_stages.emplace_back(s, remat::save_all{});
          return remat::simulate(chain(each.firsts, {remat::checkpoint_at("")}, of_stages), table, costs, {}, terms);
        };
        std::optional<remat::simulated_program> alone;
        try {
          alone = with(each_for_itself());
        } catch (const remat::error&) {  // too small for a stage of three blocks
          continue;
        }
        const remat::simulated_program together = with({});
        CHECK(together.step.seconds <= kept.step.seconds * (1 + 1e-9));
        CHECK(recomputed(together) > 0);
        CHECK(together.step.seconds <= alone->step.seconds * (1 + 1e-9));
        ++all;
        CHECK(static_cast<double>(together.ranks[0].activations) <=
              share * static_cast<double>(kept.ranks[0].activations));
        if (alone->step.seconds <= kept.step.seconds * (1 + 1e-9)) continue;  // what it computes again is free, too
        ++longer;
        shorter += together.step.seconds < alone->step.seconds * (1 - 1e-9) ? 1 : 0;
      }
    }
  CHECK(all >= 25);
  CHECK(longer >= 15);
  CHECK(shorter == longer);
}

TEST_CASE("micro-batches of one stage may differ", "[dist]") {
  // Two equal stages: the first waits before the first micro-batch goes back, and before the last.
  int differ = 0;
  for (const double share : {0.9, 0.8, 0.7, 0.6}) {
    const remat::program p = chain({8}, {remat::checkpoint_at("", remat::budget{remat::share_of_save_all(share)})});
    const auto table = schedule::one_f_one_b.make(2, 6);
    const std::vector<remat::stage_choices> choices = remat::choose_in_pipeline(p, table, {samples}, {});
    REQUIRE(choices.size() == 2);
    for (const remat::stage_choices& each : choices) {
      REQUIRE(each.of_microbatch.size() == 6);
      for (int m = 0; m < 6; ++m) REQUIRE(each.of(m) != nullptr);
      differ += each.ways.size() > 1 ? 1 : 0;
    }
  }
  CHECK(differ > 0);
}

TEST_CASE("where nothing is to choose, nothing is chosen", "[dist]") {
  const auto table = schedule::one_f_one_b.make(2, 4);
  for (const remat::stage_choices& each :
       remat::choose_in_pipeline(chain({8}, {remat::checkpoint_at("")}), table, {samples}, {}))
    CHECK(each.of(0) == nullptr);
  const remat::program p = chain({8}, {remat::checkpoint_at("", remat::budget{remat::share_of_save_all(0.8)})});
  for (const remat::stage_choices& each : remat::choose_in_pipeline(p, table, {samples}, each_for_itself()))
    CHECK(each.ways.size() == 1);  // in all micro-batches
}

TEST_CASE("a rank chooses for itself what somebody chooses for all, and is not refused for another's bytes", "[dist]") {
  const auto table = schedule::one_f_one_b.make(2, 4);
  for (const remat::plan_terms& terms : {remat::plan_terms{}, each_for_itself()}) {
    const remat::program p = chain({8}, {remat::checkpoint_at("", remat::budget{remat::share_of_save_all(0.8)})});
    const auto all = remat::choose_in_pipeline(p, table, {samples}, terms);
    for (int rank = 0; rank < 2; ++rank) {
      const auto own = remat::choose_in_pipeline(p, table, {samples}, terms, {.rank = rank});
      const auto mine = static_cast<std::size_t>(rank);
      CHECK(own[mine].of_microbatch == all[mine].of_microbatch);
      REQUIRE(own[mine].ways.size() == all[mine].ways.size());
      for (std::size_t k = 0; k < own[mine].ways.size(); ++k) CHECK(own[mine].ways[k].again == all[mine].ways[k].again);
    }
    const remat::program short_of =
        chain({8}, {remat::checkpoint_at("")}, {{0, remat::budget{1}}, {1, remat::save_all{}}});
    CHECK_THROWS_AS(remat::choose_in_pipeline(short_of, table, {samples}, terms), remat::error);
    CHECK_THROWS_AS(remat::choose_in_pipeline(short_of, table, {samples}, terms, {.rank = 0}), remat::error);
    CHECK_NOTHROW(remat::choose_in_pipeline(short_of, table, {samples}, terms, {.rank = 1}));
  }
}

}  // namespace bubble_search_tests
