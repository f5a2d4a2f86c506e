// SPDX-License-Identifier: MIT
// Budgets inside of other checkpoints, and next to them: compared with an exhaustive search over what they may choose.
#include "random_checkpoints.hpp"

#include <remat/check/plan_checker.hpp>
#include <remat/core/budget.hpp>
#include <remat/plan/plan.hpp>
#include <remat/plan/predicted_cost.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <map>
#include <string>

namespace budgets_among_checkpoints_tests {

using random_chains::peculiarity, random_chains::ranges;
using random_checkpoints::each_choice, random_checkpoints::layout, random_checkpoints::made_program;

constexpr double never = std::numeric_limits<double>::infinity();

struct outcome {
  int budgets = 0, refused = 0, slower = 0;

  /// So many of a thousand have the fastest plan.
  int exact() const { return 1'000 - 1'000 * (refused + slower) / std::max(budgets, 1); }
};

/// Plans with as many bytes as any choice takes. None takes longer than one with fewer bytes.
void compare(const made_program& made, outcome& counts) {
  const remat::program& p = made.p;
  const remat::plan_request any{.batch = 1, .bytes = 1};
  const remat::detail::training_planner planner(p, any);
  std::map<std::size_t, double> all;  // the least that is computed again in as many bytes
  for (const ranges& choice : each_choice(made, planner.make())) {
    remat::core::list<remat::chosen_range> chosen;
    for (const remat::chosen_range& each : choice) chosen.push_back(each);
    const remat::plan with = planner.make(chosen);
    const double again = remat::detail::recomputation_cost(p, with, nullptr);
    const auto at = all.try_emplace(with.activation_bytes, again).first;
    at->second = std::min(at->second, again);
  }
  double best = never, before = never;
  for (const auto& [bytes, again] : all) {
    INFO("within " << bytes << " bytes");
    best = std::min(best, again);
    ++counts.budgets;
    try {
      const remat::plan found = remat::plan_training(p, {.batch = 1, .bytes = bytes});
      const remat::plan_check check = remat::check_plan(p, found, {.limit = bytes});
      INFO(check.fault);
      REQUIRE(check.holds());
      const double cost = remat::detail::recomputation_cost(p, found, nullptr);
      REQUIRE(cost <= before);
      if (cost > best) ++counts.slower;
      before = cost;
    } catch (const remat::budget_error& e) {
      REQUIRE(before == never);
      REQUIRE(e.smallest() > bytes);
      ++counts.refused;
    }
  }
}

unsigned seed_of(layout where, unsigned k) { return k * 31 + static_cast<unsigned>(where); }

outcome of_layout(layout where, unsigned programs, int operations, bool has_peculiarities) {
  outcome counts;
  for (unsigned k = 0; k < programs; ++k) {
    INFO("layout " << static_cast<int>(where) << ", program " << k);
    const auto some = has_peculiarities ? static_cast<peculiarity>(k % 8) : peculiarity::nothing;
    compare(random_checkpoints::make(seed_of(where, k), where, operations, k % 2 == 1, some), counts);
  }
  return counts;
}

/// Nearly all. The rest is where what others drop depends on what budgets choose.
void check_nearly_exact(unsigned programs, int operations, int exact) {
  for (const bool has_peculiarities : {false, true}) {
    outcome sum;
    for (int where = 0; where < static_cast<int>(layout::count); ++where) {
      const outcome one = of_layout(static_cast<layout>(where), programs, operations, has_peculiarities);
      INFO("layout " << where << ": of " << one.budgets << " budgets " << one.refused << " refused, " << one.slower
                     << " slower");
      CHECK(one.exact() >= exact - 10);
      sum.budgets += one.budgets, sum.refused += one.refused, sum.slower += one.slower;
    }
    INFO("of " << sum.budgets << " budgets " << sum.refused << " refused, " << sum.slower << " slower");
    CHECK(sum.exact() >= exact);
  }
}

TEST_CASE("of budgets inside of other checkpoints and next to them, nearly all plans are the fastest") {
  check_nearly_exact(60, 5, 995);
}
TEST_CASE("inside of a chain policy, all of these are") {
  for (const layout where : {layout::inside_every, layout::inside_square_root}) {
    const outcome one = of_layout(where, 100, 5, false);
    INFO("of " << one.budgets << " budgets " << one.refused << " refused, " << one.slower << " slower");
    CHECK(one.refused + one.slower == 0);
  }
}
TEST_CASE("of longer programs with budgets among other checkpoints, too", "[long]") { check_nearly_exact(600, 6, 993); }

}  // namespace budgets_among_checkpoints_tests
