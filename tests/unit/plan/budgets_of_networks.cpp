// SPDX-License-Identifier: MIT
// Budgets on every network of the tests: at 40 numbers of bytes each the plan is sound, within them, and never slower
// than with fewer. Next to other checkpoints they are never worse than such a checkpoint would be in their place.
#include <remat/check/plan_checker.hpp>
#include <remat/plan/certify.hpp>
#include <remat/plan/fuse.hpp>

#include <networks/networks.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>

namespace budgets_of_networks_tests {

struct found {
  int feasible = 0, certified = 0, with_gaps = 0;
  double largest_gap = 0, largest_loss = 0;
};

/// A network with a budget over all but its loss, of each `step`-th fortieth of what it takes without one. Every fourth
/// plan is certified and checked.
found sweep(const networks::network& wanted, int step) {
  remat::program p = remat::fuse(wanted.lower());
  for (remat::module_node& n : p.nodes) n.checkpoints.clear();
  p.nodes[0].checkpoints.push_back({remat::budget{}});
  remat::plan_request request{.batch = wanted.microbatch, .bytes = std::size_t{1} << 50};
  remat::certifier certifier(p, request);
  const std::size_t most = certifier.save_all().activation_bytes;
  found all;
  double before = 0;
  bool is_feasible = true;
  for (int k = 40; k > 0; k -= step) {
    request.bytes = most * static_cast<std::size_t>(k) / 40;
    INFO(wanted.name << ", " << *request.bytes << " of " << most << " bytes");
    std::optional<remat::plan> made;
    try {
      made = remat::plan_training(p, request);
    } catch (const remat::error&) {
      is_feasible = false;
      continue;
    }
    CHECK(is_feasible);  // more bytes are never too small where fewer are enough
    CHECK(made->activation_bytes <= *request.bytes);
    const double again = remat::detail::recomputation_cost(p, *made, nullptr);
    CHECK(again >= before);
    before = again;
    ++all.feasible;
    if (k / step % 4 != 0) continue;
    const remat::certificate c = certifier.certify(*made, *request.bytes);
    CHECK(remat::check_plan(p, *made, {.limit = *request.bytes, .certified = &c}).fault == "");
    ++all.certified;
    all.largest_gap = std::max(all.largest_gap, c.gap());
    all.largest_loss = std::max(all.largest_loss, c.lost_to_placement / c.time.sum());
    if (c.lost_to_placement > 0) ++all.with_gaps;
  }
  return all;
}

void sweep_all(int step) {
  std::ostringstream lines;
  for (const networks::network& each : networks::all()) {
    const found all = sweep(each, step);
    CHECK(all.feasible > 0);
    lines << "\n  " << each.name << ": " << all.feasible << " budgets of " << 40 / step << "; of " << all.certified
          << " certificates the largest gap is " << 100 * all.largest_gap << " %, and " << all.with_gaps
          << " lose time to placement, at most " << 100 * all.largest_loss << " %";
  }
  WARN(lines.str());
}

TEST_CASE("on every network plans of budgets are sound, within their bytes, and not slower than with fewer", "[once]") {
  sweep_all(8);
}
TEST_CASE("on every network, at 40 budgets each, too", "[long]") { sweep_all(1); }

TEST_CASE("a budget next to other checkpoints is as good as one of them in its place, of as many bytes", "[once]") {
  int compared = 0;
  for (const networks::network& each : networks::all()) {
    INFO(each.name);
    remat::program budgets = remat::fuse(each.lower());
    for (remat::module_node& n : budgets.nodes) n.checkpoints.clear();
    remat::program others = budgets;
    int child = 1;
    for (bool is_budget = false; child < budgets.nodes[0].end;
         child = budgets.nodes[child].end, is_budget = !is_budget) {
      others.nodes[child].checkpoints.push_back({remat::recompute_all{}});
      if (is_budget)
        budgets.nodes[child].checkpoints.push_back({remat::budget{}});
      else
        budgets.nodes[child].checkpoints.push_back({remat::recompute_all{}});
    }
    const remat::plan wanted = remat::plan_training(others, {.batch = each.microbatch});
    const remat::plan made =
        remat::plan_training(budgets, {.batch = each.microbatch, .bytes = wanted.activation_bytes});
    CHECK(made.activation_bytes <= wanted.activation_bytes);
    CHECK(remat::detail::recomputation_cost(budgets, made, nullptr) <=
          remat::detail::recomputation_cost(others, wanted, nullptr));
    if (made.activation_bytes > 0) ++compared;
  }
  CHECK(compared == static_cast<int>(networks::all().size()));
}

}  // namespace budgets_of_networks_tests
