// SPDX-License-Identifier: MIT
#include <remat/partition/best_cuts.hpp>
#include <remat/partition/best_cuts_on_ranks.hpp>

#include <rapidcheck/catch.h>
#include <algorithm>
#include <tuple>
#include <vector>

namespace best_cuts_tests {

/// A program of this many operations, as far as cutting it goes.
struct problem {
  int operations = 0, stages = 0, ranks = 0;
  remat::core::list<remat::cut> cuts;
  std::vector<int> costs;  // of every range on every stage: any numbers

  double operator()(int first, int last, int stage) const {
    return costs[static_cast<std::size_t>((stage * operations + first) * operations + last - 1)];
  }
};

/// Most go between checkpoints.
remat::cut random_cut(int before) {
  const bool crosses = *rc::gen::inRange(0, 3) == 0;
  return {before, {crosses ? *rc::gen::inRange(0, 3) : 0, crosses ? *rc::gen::inRange(0, 3) : 0}};
}

problem random_problem() {
  problem p;
  p.operations = *rc::gen::inRange(1, 9);
  p.stages = *rc::gen::inRange(1, std::min(p.operations, 5) + 1);
  p.ranks = *rc::gen::inRange(1, p.stages + 1);
  for (int i = 1; i < p.operations; ++i) p.cuts.push_back(random_cut(i));
  p.costs = *rc::gen::container<std::vector<int>>(static_cast<std::size_t>(p.stages * p.operations * p.operations),
                                                  rc::gen::inRange(0, 200));
  return p;
}

/// What is made small, once the largest sum of a rank is about as small as can be: crossed checkpoints, that sum, then
/// the squares.
using worth = std::tuple<remat::crossed_checkpoints, double, double>;

worth worth_of(const problem& p, const std::vector<int>& firsts, int ranks) {
  std::vector<double> sums(static_cast<std::size_t>(ranks));
  remat::crossed_checkpoints crossed;
  double squares = 0;
  for (int s = 0; s < p.stages; ++s) {
    const int first = s == 0 ? 0 : firsts[static_cast<std::size_t>(s - 1)];
    const int last = s + 1 == p.stages ? p.operations : firsts[static_cast<std::size_t>(s)];
    if (s > 0) crossed = crossed + p.cuts[first - 1].crossed;
    const double cost = p(first, last, s);
    sums[static_cast<std::size_t>(s % ranks)] += cost;
    squares += cost * cost;
  }
  return {crossed, *std::max_element(sums.begin(), sums.end()), squares};
}

/// The least worth of all ways to cut whose largest sum is about the least.
worth least(const problem& p, int ranks) {
  std::vector<worth> all;
  for (unsigned chosen = 0; chosen < 1U << (p.operations - 1); ++chosen) {
    std::vector<int> firsts;
    for (int i = 1; i < p.operations; ++i)
      if (chosen >> (i - 1) & 1) firsts.push_back(i);
    if (static_cast<int>(firsts.size()) == p.stages - 1) all.push_back(worth_of(p, firsts, ranks));
  }
  double smallest = std::get<1>(all[0]);
  for (const worth& each : all) smallest = std::min(smallest, std::get<1>(each));
  std::erase_if(all, [&](const worth& each) { return std::get<1>(each) > remat::about_the_same * smallest; });
  return *std::min_element(all.begin(), all.end());
}

std::vector<int> as_vector(const remat::core::list<int>& l) { return {l.begin(), l.end()}; }

TEST_CASE("the best cuts are the best of all") {
  rc::prop("for any cost", [] {
    const problem p = random_problem();
    const auto found = as_vector(remat::best_cuts(p.cuts, p.operations, p.stages, p));
    RC_ASSERT(worth_of(p, found, p.stages) == least(p, p.stages));
  });
}

TEST_CASE("the best cuts for a sum are those that any cost of its values has") {
  rc::prop("cuts that cross checkpoints, costs of nothing", [] {
    problem p;
    p.operations = *rc::gen::inRange(1, 40);
    p.stages = *rc::gen::inRange(1, std::min(p.operations, 9) + 1);
    remat::core::list<double> costs;
    for (int i = 1; i < p.operations; ++i) p.cuts.push_back(random_cut(i));
    for (int i = 0; i < p.operations; ++i) costs.push_back(*rc::gen::inRange(0, 9));
    const remat::cost_sum sum(costs);
    const auto any = [&](int first, int last, int stage) { return sum(first, last, stage); };
    RC_ASSERT(as_vector(remat::best_cuts(p.cuts, p.operations, p.stages, sum)) ==
              as_vector(remat::best_cuts(p.cuts, p.operations, p.stages, any)));
  });
}

TEST_CASE("costs whose sum is no number are refused") {
  remat::core::list<double> costs;
  for (const double each : {1e308, 1.0, 1e308}) costs.push_back(each);
  CHECK_THROWS_WITH(remat::cost_sum(costs), Catch::Contains("add up to more than a number holds"));
}

TEST_CASE("the best cuts on ranks are the best of all") {
  rc::prop("for any cost and number of ranks", [] {
    const problem p = random_problem();
    const auto found = as_vector(remat::best_cuts_on_ranks(p.cuts, p.operations, p.stages, p.ranks, p));
    const worth is = worth_of(p, found, p.ranks), best = least(p, p.ranks);
    RC_ASSERT(std::get<0>(is) == std::get<0>(best));
    RC_ASSERT(std::get<1>(is) == std::get<1>(best));
  });
}

TEST_CASE("checkpoints bend the cuts by 5 % at most") {
  const remat::core::list<double> costs{10.05, 10, 1, 1, 1, 20};  // best: 21.05 and 22
  const auto cut_before = [&](const remat::core::list<remat::cut>& cuts) {
    return remat::best_cuts(cuts, 6, 2, remat::cost_sum(costs))[0];
  };
  CHECK(cut_before({{1, {}}, {2, {}}, {3, {}}, {4, {}}, {5, {}}}) == 3);
  CHECK(cut_before({{1, {}}, {2, {}}, {3, {1, 0}}, {4, {}}, {5, {}}}) == 4);      // 22.05 and 21
  CHECK(cut_before({{1, {}}, {2, {}}, {3, {0, 1}}, {4, {1, 0}}, {5, {}}}) == 2);  // 20.05 and 23: 4.5 % more
  CHECK(cut_before({{1, {}}, {2, {0, 2}}, {3, {0, 3}}, {4, {1, 0}}, {5, {1, 0}}}) == 2);
  CHECK(cut_before({{1, {}}, {2, {1, 0}}, {3, {1, 0}}, {4, {0, 9}}, {5, {1, 0}}}) == 4);  // 1 would cost 33
}

TEST_CASE("many stages on few ranks are cut evenly") {
  constexpr int operations = 120, stages = 12, ranks = 3;  // too many ways to compare all of them
  remat::core::list<remat::cut> cuts;
  for (int i = 1; i < operations; ++i) cuts.push_back({i, {}});
  const auto cost = [](int first, int last, int) {
    double sum = 0;
    for (int i = first; i < last; ++i) sum += 1 + i % 5;
    return sum;
  };
  std::vector<int> firsts{0};
  for (const int first : remat::best_cuts_on_ranks(cuts, operations, stages, ranks, cost)) firsts.push_back(first);
  firsts.push_back(operations);
  double sums[ranks] = {}, all = 0;
  for (std::size_t s = 0; s < stages; ++s) {
    sums[s % ranks] += cost(firsts[s], firsts[s + 1], 0);
    all += cost(firsts[s], firsts[s + 1], 0);
  }
  CHECK(*std::max_element(sums, sums + ranks) <= 1.02 * all / ranks);
}

static_assert([] {
  const remat::core::list<remat::cut> cuts{{1, {}}, {2, {}}, {3, {}}, {4, {}}};
  const auto found = remat::best_cuts(cuts, 5, 2, [](int first, int last, int) { return last - first; });
  return found.count() == 1 && (found[0] == 2 || found[0] == 3);
}());

}  // namespace best_cuts_tests
