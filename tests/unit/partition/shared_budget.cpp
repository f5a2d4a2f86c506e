// SPDX-License-Identifier: MIT
// Budgets of ranks with several stages, of activations and of the whole rank: what a rank lays out is within them, more
// bytes never take more time, the smallest feasible number is feasible, and no other combination of its stages' choices
// is better.
#include "blocks_in_stages.hpp"

#include <remat/partition/simulated_program.hpp>

#include <remat/core/policies.hpp>
#include <remat/schedule/schedule.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace shared_budget_tests {

namespace schedule = remat::schedule;
using remat::budget, remat::checkpoint_at;
using blocks_in_stages::chain, blocks_in_stages::each_for_itself, blocks_in_stages::samples;

struct pipeline {
  remat::schedule_table table;
  std::vector<int> firsts;
};
std::vector<pipeline> pipelines() {
  return {{schedule::interleaved<2>.make(1, 2), {5}},
          {schedule::interleaved<2>.make(2, 4), {2, 8, 11}},
          {schedule::interleaved<4>.make(2, 2), {1, 3, 6, 8, 10, 13, 15}},
          {schedule::interleaved<3>.make(3, 3), {1, 2, 5, 7, 9, 12, 13, 14}}};
}

/// What ranks hold, and what each computes again in a step, where a rank has this number of bytes.
struct held {
  std::vector<std::size_t> activations, all;
  double again = 0;
};
held of_limit(const pipeline& each, remat::byte_limit limit, const remat::plan_terms& terms = each_for_itself(),
              const remat::microbatch_sizes& sizes = {samples}) {
  const remat::program p = chain(each.firsts, {checkpoint_at("", budget{limit})});
  const auto choices = remat::choose_in_pipeline(p, each.table, sizes, terms);
  const remat::task_positions positions(each.table);
  const remat::training_slices covered(each.table, positions);
  const remat::pipeline_timetable timetable(p, each.table, true);
  const remat::arena_of_activations arena;
  std::vector<std::vector<remat::plan>> plans(choices.size());
  held made;
  for (int rank = 0; rank < each.table.ranks(); ++rank) {
    std::vector<remat::laid_out_stage> here;
    for (int s = 0; s < each.table.stages; ++s) {
      if (positions.rank_of(s) != rank) continue;
      here.push_back({s, {}});
      auto& mine = plans[static_cast<std::size_t>(s)];
      mine.reserve(static_cast<std::size_t>(each.table.microbatches));
      for (int m = 0; m < each.table.microbatches; ++m) {
        const remat::budget_choice* const chosen = choices[static_cast<std::size_t>(s)].of(m);
        REQUIRE(chosen != nullptr);
        made.again += chosen->again;
        mine.push_back(plan_training(p, terms.request(sizes.samples + (m < sizes.larger ? 1 : 0), covered(p, s, m),
                                                      remat::updating::after_step, nullptr, chosen)));
        here.back().plans.push_back(&mine.back());
      }
    }
    const remat::rank_holdings holdings(p, each.table, positions, timetable, rank, arena);
    made.activations.push_back(holdings.activations(here));
    made.all.push_back(holdings.bytes_with(made.activations.back(), here));
  }
  return made;
}
std::size_t largest(const std::vector<std::size_t>& all) { return *std::ranges::max_element(all); }

/// What is said of too few bytes.
std::string refusal(const pipeline& each, remat::byte_limit limit, const remat::microbatch_sizes& sizes = {samples}) {
  try {
    (void)of_limit(each, limit, each_for_itself(), sizes);
  } catch (const remat::error& e) {
    return e.what();
  }
  return "";
}
std::size_t smallest_in(const std::string& text) {
  const std::string before = "a step fits is ";
  REQUIRE_THAT(text, Catch::Matchers::Contains(before));
  return std::stoul(text.substr(text.find(before) + before.size()));
}

remat::byte_limit limit_of(std::size_t bytes, bool is_of_rank) {
  return is_of_rank ? remat::of_rank(bytes) : remat::byte_limit(bytes);
}

TEST_CASE("stages that share a rank share its bytes, and more bytes never take more time", "[dist]") {
  for (const pipeline& each : pipelines())
    for (const bool is_of_rank : {false, true}) {
      const held kept = of_limit(each, std::size_t{1} << 40);
      const std::size_t most = largest(is_of_rank ? kept.all : kept.activations);
      std::size_t smallest = 1;  // of all ranks: each in turn says what it takes
      while (!refusal(each, limit_of(smallest, is_of_rank)).empty()) {
        const std::size_t more = smallest_in(refusal(each, limit_of(smallest, is_of_rank)));
        REQUIRE(more > smallest);
        smallest = more;
      }
      CHECK(smallest < most);
      const std::string text = refusal(each, limit_of(smallest - 1, is_of_rank));
      CHECK_THAT(text,
                 Catch::Matchers::Contains("on a rank with the stages ") &&
                     Catch::Matchers::Contains("the smallest with which a step fits is " + std::to_string(smallest)));
      double before = std::numeric_limits<double>::max();
      int times = 0;
      for (int k = 0; k <= 40; ++k) {
        const std::size_t bytes = smallest + (most - smallest) * static_cast<std::size_t>(k) / 40;
        INFO(each.table.stages << " stages on " << each.table.ranks() << " ranks, " << bytes << " of " << most);
        const held found = of_limit(each, limit_of(bytes, is_of_rank));
        CHECK(largest(is_of_rank ? found.all : found.activations) <= bytes);
        CHECK(found.again <= before * (1 + 1e-12));
        times += found.again < before ? 1 : 0;
        before = found.again;
      }
      CHECK(before == 0);
      CHECK(times > 1);  // the first among them
    }
}

TEST_CASE("a share of a rank's bytes is one of what all of its stages take", "[dist]") {
  int planned = 0;
  for (const pipeline& each : pipelines()) {
    const held kept = of_limit(each, std::size_t{1} << 40);
    for (const double share : {0.95, 0.9, 0.8}) {
      if (!refusal(each, remat::share_of_save_all(share)).empty()) continue;
      ++planned;
      const held found = of_limit(each, remat::share_of_save_all(share));
      for (std::size_t rank = 0; rank < kept.activations.size(); ++rank)
        CHECK(static_cast<double>(found.activations[rank]) <= share * static_cast<double>(kept.activations[rank]));
    }
  }
  CHECK(planned > 0);
}

TEST_CASE("no other combination of what two stages may choose computes less again in the bytes", "[dist]") {
  const pipeline each = pipelines()[1];
  const remat::program p = chain(each.firsts, {checkpoint_at("", budget{std::size_t{1} << 40})});
  const remat::task_positions positions(each.table);
  const remat::training_slices covered(each.table, positions);
  const remat::pipeline_timetable timetable(p, each.table, true);
  const remat::arena_of_activations arena;
  const remat::plan_terms terms = each_for_itself();
  const remat::operation_costs costs = remat::counted_costs(p, samples);
  struct pair {
    double again;
    std::size_t bytes;
  };
  std::vector<std::vector<pair>> of_ranks;
  for (int rank = 0; rank < 2; ++rank) {
    const remat::rank_holdings holdings(p, each.table, positions, timetable, rank, arena);
    remat::detail::stage_ways a(p, terms, {samples}, covered, positions, costs, rank),
        b(p, terms, {samples}, covered, positions, costs, rank + 2);
    const auto with = [&](remat::detail::stage_ways& ways, int way) {
      remat::laid_out_stage made{ways.number(), {}};
      for (int m = 0; m < each.table.microbatches; ++m) made.plans.push_back(&ways.planned(way, m));
      return made;
    };
    std::vector<pair>& all = of_ranks.emplace_back();
    for (const remat::budget_choice& of_a : a.grid())
      for (const remat::budget_choice& of_b : b.grid()) {
        const std::array both{with(a, a.add(of_a)), with(b, b.add(of_b))};
        all.push_back({of_a.again + of_b.again, holdings.activations(both)});
      }
  }
  const std::size_t most = largest(of_limit(each, std::size_t{1} << 40).activations);
  for (std::size_t percent = 35; percent <= 100; percent += 5) {
    const std::size_t bytes = most * percent / 100;
    double best = 0;
    bool is_possible = true;
    for (const std::vector<pair>& all : of_ranks) {
      double least = std::numeric_limits<double>::max();
      for (const pair& one : all)
        if (one.bytes <= bytes) least = std::min(least, one.again);
      is_possible = is_possible && least < std::numeric_limits<double>::max();
      best += least * each.table.microbatches;
    }
    INFO(bytes);
    CHECK(refusal(each, bytes).empty() == is_possible);
    if (is_possible) CHECK(of_limit(each, bytes).again == Approx(best).epsilon(1e-12));
  }
}

TEST_CASE("the smallest bytes are what a rank of one stage then lays out, with micro-batches of two sizes, too",
          "[dist]") {
  const remat::schedule_table tables[] = {schedule::gpipe.make(2, 4), schedule::one_f_one_b.make(2, 4),
                                          schedule::zero_bubble.make(2, 4)};
  for (const remat::schedule_table& table : tables)
    for (const int larger : {0, 1, 3}) {
      const pipeline made{table, {5}};
      const remat::microbatch_sizes sizes{3, larger};
      INFO("table " << &table - tables << ", " << larger << " larger ones");
      std::size_t smallest = 1;
      for (std::string text = refusal(made, smallest, sizes); !text.empty(); text = refusal(made, smallest, sizes)) {
        const std::size_t more = smallest_in(text);
        REQUIRE(more > smallest);
        smallest = more;
      }
      CHECK(largest(of_limit(made, smallest, each_for_itself(), sizes).activations) == smallest);
      CHECK(smallest_in(refusal(made, smallest - 1, sizes)) == smallest);
    }
}

TEST_CASE("larger micro-batches are counted as they are, and the simulated step is none the longer for a look at it",
          "[dist]") {
  int shorter = 0, all = 0;
  for (const pipeline& each : pipelines()) {
    const held kept = of_limit(each, std::size_t{1} << 40, each_for_itself(), {samples, 1});
    for (const std::size_t percent : {95u, 85u, 75u, 65u}) {
      const std::size_t bytes = largest(kept.activations) * percent / 100;
      if (!refusal(each, bytes, {samples, 1}).empty()) continue;
      for (const remat::plan_terms& terms : {remat::plan_terms{}, each_for_itself()})
        CHECK(largest(of_limit(each, bytes, terms, {samples, 1}).activations) <= bytes);
      const remat::program p = chain(each.firsts, {checkpoint_at("", budget{bytes})});
      const remat::operation_costs costs = remat::counted_seconds(p, samples, 1e9);
      const remat::simulated_program alone = remat::simulate(p, each.table, costs, {}, each_for_itself()),
                                     together = remat::simulate(p, each.table, costs);
      CHECK(together.step.seconds <= alone.step.seconds * (1 + 1e-9));
      for (const remat::rank_bytes& rank : together.ranks) CHECK(rank.activations <= bytes);
      shorter += together.step.seconds < alone.step.seconds * (1 - 1e-9) ? 1 : 0;
      ++all;
    }
  }
  WARN(shorter << " of " << all << " are shorter");
  CHECK(shorter > all / 4);
}

}  // namespace shared_budget_tests
