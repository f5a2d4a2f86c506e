// SPDX-License-Identifier: MIT
// Automatic partitions of random models: balance first, checkpoints where it costs no more than 5 %.
#include "plan/random_tree.hpp"

#include <remat/partition/partition.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <string>
#include <utility>
#include <vector>

namespace automatic_partition_tests {

namespace partition = remat::partition;

using remat::strategy::contiguous, remat::strategy::each, remat::strategy::group;

template <class Strategy, class Policy = remat::recompute_all>
constexpr remat::checkpoint_setting setting = remat::setting_of<Policy, Strategy>;

remat::program random_model() {
  remat::program p =
      random_tree({setting<each>, setting<contiguous>, setting<group<2>>, setting<contiguous, remat::every<2>>})
          .program();
  for (remat::operation& o : p.operations) o.flops = draw(0, 30);
  return p;
}

/// The stages of a way to cut: each bit of `chosen` is a place between two operations.
remat::core::list<int> stages_of_way(unsigned chosen, int operations) {
  remat::core::list<int> stages(static_cast<std::size_t>(operations));
  for (int i = 1; i < operations; ++i) stages[i] = stages[i - 1] + static_cast<int>(chosen >> (i - 1) & 1);
  return stages;
}

/// Whether the whole loses, and whether it divides, a checkpoint under these stages.
struct harm {
  bool ignores, splits;
};
harm harm_of(const remat::program& p, const remat::core::list<int>& stages) {
  remat::program assigned = p;
  const partition::setting given{
      "given", true, [&](const remat::program&, const partition::request&) { return stages; }, {}};
  const auto ignored = remat::assign_stages(assigned, given);
  return {!ignored.empty(), !remat::split_checkpoints(assigned).empty()};
}

remat::core::list<int> stages_in(const remat::program& p) {
  remat::core::list<int> stages;
  for (const remat::operation& o : p.operations) stages.push_back(o.stage);
  return stages;
}

/// What the most expensive rank has, stage s on rank s % ranks.
template <class Cost>
double most_of_rank(const remat::core::list<int>& stages, int ranks, const Cost& cost) {
  std::vector<double> sums(static_cast<std::size_t>(ranks));
  for (int first = 0, last = 0; first < stages.count(); first = last) {
    while (last < stages.count() && stages[last] == stages[first]) ++last;
    sums[static_cast<std::size_t>(stages[first] % ranks)] += cost(first, last, stages[first]);
  }
  return *std::ranges::max_element(sums);
}

/// Compares a partition with all ways to cut.
template <class Cost>
void require_best(const remat::program& p, const partition::setting& s, const partition::request& r, int ranks,
                  const Cost& cost) {
  remat::program cut = p;
  remat::assign_stages(cut, s, r);
  const remat::core::list<int> chosen = stages_in(cut);
  const double most = most_of_rank(chosen, ranks, cost);
  const int places = p.operations.count() - 1;
  double least = most;
  const auto each_way = [&](const auto& f) {
    for (unsigned way = 0; way < 1U << places; ++way)
      if (std::popcount(way) == r.stages - 1) f(stages_of_way(way, places + 1));
  };
  each_way([&](const remat::core::list<int>& stages) { least = std::min(least, most_of_rank(stages, ranks, cost)); });
  RC_ASSERT(most <= remat::about_the_same * least);
  const harm done = harm_of(p, chosen);
  if (!done.ignores && !done.splits) return;
  each_way([&](const remat::core::list<int>& stages) {
    if (most_of_rank(stages, ranks, cost) > remat::about_the_same * least) return;
    const harm other = harm_of(p, stages);
    RC_ASSERT(!done.ignores || other.ignores);
    RC_ASSERT(done.ignores || other.ignores || other.splits);
  });
}

TEST_CASE("balance comes first, and checkpoints within 5 % of it", "[dist][partition]") {
  require_law(150, [] {
    const remat::program p = random_model();
    RC_PRE(p.operations.count() <= 13);
    const int stages = draw(1, std::min(5, p.operations.count()) + 1);
    const remat::core::list<double> costs = remat::step_costs(p, remat::counted_costs(p, 1));
    const auto by_cost = [&](int first, int last, int) {
      double sum = 0;
      for (int i = first; i < last; ++i) sum += costs[i];
      return sum;
    };
    const auto by_number = [](int first, int last, int) { return static_cast<double>(last - first); };
    const auto by_bytes = [&](int first, int last, int stage) { return by_cost(first, last, 0) * (7 - stage); };
    require_best(p, partition::balanced, {.stages = stages}, stages, by_cost);
    require_best(p, partition::balanced(remat::counted_costs(p, 1)), {.stages = stages}, stages, by_cost);
    require_best(p, partition::uniform, {.stages = stages}, stages, by_number);
    require_best(p, partition::balanced_memory, {.stages = stages, .bytes = by_bytes}, stages, by_bytes);
    const int ranks = draw(1, stages + 1);
    require_best(p, partition::balanced_memory, {.stages = stages, .ranks = ranks, .bytes = by_bytes}, ranks, by_bytes);
    const auto guess = [&](int first, int last, int stage) {  // too low for some
      return by_bytes(first, last, stage) * (first == 0 && last % 2 == 0 ? 0.5 : 1);
    };
    require_best(p, partition::balanced_memory, {.stages = stages, .bytes = by_bytes, .estimated_bytes = guess}, stages,
                 by_bytes);
  });
}

TEST_CASE("balance is of the costs and the recomputation that a model is told", "[dist][partition]") {
  tree t;
  t.layers({"a", "b", "c", "d", "e", "f", "g", "h"});
  remat::program p = t.program();
  remat::operation_costs measured = remat::no_costs(p, 1);
  for (remat::operation_cost& each : measured.operations) each.forward = 1;
  measured.operations[0].forward = 7;
  for (const remat::plan_terms& terms : {remat::plan_terms{}, remat::make_terms(p, measured, {})}) {
    remat::assign_stages(p, partition::balanced, {.stages = 2, .terms = terms});
    CHECK(std::ranges::count(p.operations, 0, &remat::operation::stage) == (terms.costs ? 1 : 4));
  }
  measured.batch = 0;
  CHECK_THROWS_WITH(remat::make_terms(p, measured, {}), Catch::Matchers::Contains("a batch of 0 samples"));
}

TEST_CASE("a checkpoint around all blocks does not unbalance a model", "[dist][partition]") {
  for (const remat::checkpoint_setting& around :
       {setting<each>, setting<contiguous>, setting<group<4>>, setting<contiguous, remat::every<3>>})
    for (const bool blocks_are_sequential : {true, false})
      for (int stages = 2; stages <= 12; ++stages) {
        tree t;
        t.open("", true, {around}).open("seq");
        for (int i = 0; i < 12; ++i) t.open("", blocks_are_sequential).layers({"a", "b", "c", "d"}).close();
        t.close().layer("head").layer("log_softmax").close();
        remat::program p = t.program();
        p.operations[48].flops = p.operations[49].flops = 0.01;
        CAPTURE(blocks_are_sequential, stages);
        for (const partition::setting& s :
             {partition::setting(partition::balanced), partition::setting(partition::uniform)}) {
          const auto ignored = remat::assign_stages(p, s, {.stages = stages});
          std::vector<int> operations(static_cast<std::size_t>(stages));
          for (const remat::operation& o : p.operations) ++operations[static_cast<std::size_t>(o.stage)];
          const int most = *std::ranges::max_element(operations), even = (48 + stages - 1) / stages;
          CHECK(*std::ranges::min_element(operations) >= 1);
          CHECK(most <= even + (12 % stages == 0 ? 2 : 3));
          if (12 % stages == 0 && s.name == "balanced") CHECK(ignored.empty());  // a cut between blocks is as good
          if (!blocks_are_sequential) continue;
          CHECK(ignored.empty());
          const auto split = remat::split_checkpoints(p);
          REQUIRE(split.count() == 1);
          CHECK(remat::path_of(p, split[0].node) == "seq");
          CHECK(split[0].parts.count() >= stages - 1);  // the head and the end may be a stage of their own
        }
      }
}

TEST_CASE("many operations are thinned out evenly for balanced_memory, between checkpoints where there are such cuts",
          "[dist][partition]") {
  tree t;
  t.open("", true, {setting<each>});
  for (int i = 0; i < 100; ++i) t.layer("", {}, 7);
  const remat::program p = t.close().program();
  const auto bytes = [](int first, int last, int) { return static_cast<double>(last - first); };
  for (const int stages : {2, 4, 5}) {
    remat::program cut = p;
    CHECK(remat::assign_stages(cut, partition::balanced_memory, {.stages = stages, .bytes = bytes}).empty());
    CHECK(most_of_rank(stages_in(cut), stages, bytes) <= 700 / stages + 7);
  }
}

}  // namespace automatic_partition_tests
