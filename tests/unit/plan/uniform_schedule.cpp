// SPDX-License-Identifier: MIT
// The closed form of uniform runs is the least of its recurrence, and budgets take their plans from it.
#include "same_bits.hpp"
#include "uniform_chain.hpp"

#include <remat/check/plan_checker.hpp>
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <vector>

namespace uniform_schedule_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using remat::budget, remat::checkpoint_at;
using remat::detail::uniform_links, remat::detail::uniform_schedules;

/// What segments run again, in links.
double again(const uniform_links& all, const remat::core::list<remat::chain_segment>& segments) {
  double sum = 0;
  for (const remat::chain_segment& each : segments) sum += static_cast<double>(each.last - each.first) - 1 + all.last;
  return sum;
}
/// The largest ratio to the least that the recurrence gives, over numbers of units.
double worst_ratio(const uniform_links& all, int most_units) {
  const auto number = [](auto value) { return static_cast<std::size_t>(value); };
  constexpr double never = std::numeric_limits<double>::infinity();
  const uniform_schedules found(all);
  std::vector<std::vector<double>> least(number(most_units) + 1, std::vector<double>(number(all.count) + 1));
  double worst = 1;
  for (int m = 0; m <= most_units; ++m) {
    std::vector<double>& row = least[number(m)];
    for (int l = m / all.tape + 2; l <= all.count; ++l) {
      double best = never;
      if (m >= all.tape) best = least[number(m - all.tape)][number(l - 1)];
      if (m >= all.state) {
        const std::vector<double>& rest = least[number(m - all.state)];
        for (int u = 1; u < l; ++u) best = std::min(best, u - 1 + all.last + row[number(u)] + rest[number(l - u)]);
      }
      row[number(l)] = best;
    }
    if (row.back() == never) continue;
    REQUIRE(found.again(m) >= row.back() * (1 - 1e-6));
    REQUIRE(again(all, found.segments(m)) == Approx(found.again(m)).epsilon(1e-6));
    worst = std::max(worst, row.back() > 0 ? found.again(m) / row.back() : 1);
  }
  return worst;
}

TEST_CASE("up to 400 links nothing is faster than the closed form's schedules") {
  for (const uniform_links& all : std::vector<uniform_links>{{50, 1, 1, 1},
                                                             {200, 1, 1, 1},
                                                             {200, 1, 1, 0},
                                                             {120, 2, 3, 0.5},
                                                             {200, 1, 6, 1},
                                                             {200, 6, 1, 1},
                                                             {33, 8, 7, 1}})
    CHECK(worst_ratio(all, std::min(uniform_schedules(all).most_units(), 40 * std::max(all.state, all.tape))) ==
          Approx(1).epsilon(1e-6));
}
TEST_CASE("of longer chains, nothing by more than a thousandth", "[long]") {
  for (const uniform_links& all : std::vector<uniform_links>{
           {400, 1, 1, 1}, {1'500, 1, 1, 1}, {1'500, 1, 1, 0}, {1'000, 2, 3, 1}, {1'000, 1, 8, 1}})
    CHECK(worst_ratio(all, 40 * std::max(all.state, all.tape)) < 1.001);
}

TEST_CASE(
    "chains that are too long for a table of all units have schedules for each of them, and more are never slower") {
  for (const uniform_links all :
       {uniform_links{30'000, 1, 2}, uniform_links{100'000, 1, 1}, uniform_links{1'000'000, 1, 1}}) {
    const uniform_schedules found(all);
    double before = std::numeric_limits<double>::infinity();
    for (int units = 4; units < 3'000; units += units < 40 ? 1 : 97) {
      const double runs = found.again(units);
      CHECK(runs <= before);
      CHECK(runs < std::numeric_limits<double>::infinity());
      before = runs;
    }
    for (const int units : {10, 100, 400}) {
      CHECK(again(all, found.segments(units)) == Approx(found.again(units)).epsilon(1e-6));
      CHECK(found.again_of_each(units)[all.count] == Approx(found.again(units)).epsilon(1e-6));
    }
  }
}

TEST_CASE("with one state for each slot, keeping nothing else, the closed form is at most revolve's") {
  for (const int links : {10, 100, 1'000, 10'000}) {
    const uniform_schedules found(uniform_links{links, 1, 1, 1});
    for (const int slots : {3, 5, 10, 40, 100}) {
      const auto revolve =
          remat::binomial_forward_steps(static_cast<std::size_t>(links), static_cast<std::size_t>(slots));
      CHECK(links + found.again(slots) <= static_cast<double>(revolve));
    }
  }
}

using layer = remat::residual<remat::sequential<nn::linear<8, 8>, nn::tanh, nn::dropout<0.1>>>;
remat::program chain(int links, std::size_t bytes) {
  static const remat::program one = remat::lower<remat::repeat<1, layer>, remat::tensor<float, 8>>();
  return remat::fuse(uniform_chain::repeated(one, links, {budget{bytes}}));
}

/// Of the programs that `make(links, bytes)` gives for these parts of what keeping everything takes: each plan is within
/// its bytes, and uses them; more bytes never take longer. Calls `also` with the program, its plan and the part.
template <class Make, class Also>
void are_within(const Make& make, int links, std::size_t batch, const std::vector<std::size_t>& parts,
                const Also& also) {
  const std::size_t most = remat::plan_training(make(links, 1'000'000'000), batch).activation_bytes;
  double before = 0;
  for (const std::size_t part : parts) {
    const std::size_t bytes = most / part;
    const remat::program p = make(links, bytes);
    const remat::plan made = remat::plan_training(p, batch);
    const double cost = remat::detail::recomputation_cost(p, made, nullptr);
    INFO("1/" << part);
    CHECK(made.activation_bytes <= bytes);
    CHECK(made.activation_bytes > bytes - bytes / 8);
    CHECK(cost >= before);
    also(p, made, part);
    before = cost;
  }
}

TEST_CASE("plans of long uniform chains are within their bytes, and more bytes never take longer") {
  constexpr int links = 2'500;
  constexpr std::size_t batch = 8;
  are_within(chain, links, batch, {2, 5, 20, 50, 100, 150}, [](const auto&...) {});
  CHECK_THROWS_WITH(remat::plan_training(chain(links, 1'000), batch),
                    Contains("the smallest with which a step fits is"));
}

/// The same with the second half of its links frozen, which makes them a run of another kind.
remat::program two_runs(int links, std::size_t bytes) {
  remat::program p = chain(links, bytes);
  for (int i = p.operations.count() / 2; i < p.operations.count(); ++i) p.operations[i].frozen = true;
  return p;
}

TEST_CASE("of several long runs memory goes where it saves most, and more bytes never take longer") {
  are_within(two_runs, 1'400, 8, {2, 5, 20, 50},
             [](const remat::program& p, const remat::plan& made, std::size_t part) {
               // 0.048, 0.027, 0.036 and 0.289; of the chain of one run 0.154, 0.063, 0.028 and 0.152.
               CHECK(remat::certify(p, {.batch = 8}, made)->gap() < (part < 50 ? 0.05 : 0.3));
             });
}

TEST_CASE("of several long runs the longest may use a disk") {
  constexpr int links = 1'400;
  constexpr std::size_t batch = 8;
  const std::size_t most = remat::plan_training(two_runs(links, 1'000'000'000), batch).activation_bytes;
  remat::program p = two_runs(links, most / 5 * 4);
  const double again = remat::detail::recomputation_cost(p, remat::plan_training(p, batch), nullptr);
  const double rate = remat::counted_flops_per_second;  // as many bytes a second as FLOPs
  p.nodes[0].checkpoints[0].storage =
      remat::offload<remat::file>{.window = {.least_bytes = 1}, .rate = {.write = rate, .read = rate}};
  const remat::plan made = remat::plan_training(p, batch);
  CHECK(made.activation_bytes <= most / 5 * 4);
  CHECK(remat::count(made, remat::action_kind::begin_write) > 0);
  CHECK(remat::detail::recomputation_cost(p, made, nullptr) < again);
}

TEST_CASE("of a long run that a cut of a pipeline goes through, each stage has its part") {
  remat::program p = chain(2'600, 1'000);
  const int all = p.operations.count();
  for (int i = all / 2; i < all; ++i) p.operations[i].stage = 1;
  for (const int stage : {0, 1}) {
    const auto found = remat::detail::find_uniform_runs(p, remat::slice_of_stage(p, stage), 13);
    REQUIRE(found.count() == 1);
    CHECK(found[0].links == 1'300);
    CHECK(found[0].first == (stage == 0 ? 0 : all / 2));
  }
}

TEST_CASE("of such a run, plans of stages are sound and within their bytes") {
  constexpr std::size_t batch = 8;
  const auto staged = [](std::size_t bytes) {
    remat::program p = chain(2'600, bytes);
    for (int i = p.operations.count() / 2; i < p.operations.count(); ++i) p.operations[i].stage = 1;
    return p;
  };
  for (const int stage : {0, 1}) {
    const auto planned = [&](const remat::program& p) {
      return remat::plan_training(p, {.batch = batch, .covered = remat::slice_of_stage(p, stage, 2, true)});
    };
    const remat::program all = staged(1'000'000'000);
    const std::size_t most = remat::bytes_in_flight(planned(all));
    for (const std::size_t part : {2u, 8u, 40u}) {
      const remat::program p = staged(most / part);
      const remat::plan made = planned(p);
      INFO("stage " << stage << ", 1/" << part);
      CHECK(remat::check_plan(p, made, {.limit = most / part}).fault.empty());
      CHECK(remat::bytes_in_flight(made) > most / part / 8 * 7);
      CHECK(remat::detail::recomputation_cost(p, made, nullptr) > 0);
    }
  }
}

TEST_CASE("a budget over too many operations that are in no long run is refused") {
  remat::program p = chain(2'600, 1'000);
  for (int i = 0; i < p.operations.count(); ++i) {
    const int link = i * 2'600 / p.operations.count();
    p.operations[i].frozen = link * link % 11 < 5;
  }
  // Keeping everything needs no tables, nor does its certificate.
  remat::program kept = p;
  kept.nodes[0].checkpoints[0] = {budget{std::size_t{1'000'000'000}}};
  const remat::plan all = remat::plan_training(kept, 8);
  CHECK(remat::detail::recomputation_cost(kept, all, nullptr) == 0);
  CHECK(remat::certify(kept, {.batch = 8}, all)->gap() == 0);
  CHECK_THROWS_WITH(remat::plan_training(p, 8),
                    Contains("over at most 5000 operations of a model or a stage") && Contains("and there are 7800"));
}

TEST_CASE("a chain that the solver could take has the better plan of both", "[once]") {
  constexpr std::size_t batch = 8;
  const std::size_t most = remat::plan_training(chain(40, 1'000'000'000), batch).activation_bytes;
  for (const std::size_t part : {2u, 4u, 8u}) {
    const remat::program p = chain(40, most / part);
    const remat::plan_request request{.batch = batch};
    const remat::detail::training_planner planner(p, request);
    const auto of_run = remat::detail::uniform_search(planner, p, request)
                            .fastest(
                                most / part, [](std::size_t) { return true; },
                                [&](const remat::plan& made) { return made.activation_bytes <= most / part; });
    REQUIRE(of_run);
    const remat::plan made = remat::plan_training(p, batch);
    CHECK(remat::detail::recomputation_cost(p, made, nullptr) <=
          remat::detail::recomputation_cost(p, *of_run, nullptr));
  }
}

TEST_CASE("bits are those of a plan that keeps everything") {
  const auto train = [](std::size_t bytes) {
    remat::network network(chain(420, bytes), {.threads = 1, .input_gradients = true});
    std::vector<float> x(64), dy(64, 1.0f);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.01f * static_cast<float>(i);
    network.forward(x);
    network.backward(dy);
    std::vector<float> bits(network.input_gradient().begin(), network.input_gradient().end());
    for (const remat::parameter_view& p : network.parameters())
      bits.insert(bits.end(), p.gradient.begin(), p.gradient.end());
    return bits;
  };
  const std::vector<float> expected = train(1'000'000'000);
  for (const std::size_t bytes : {60'000u, 20'000u}) {
    const std::vector<float> found = train(bytes);
    CHECK(same_bits(found, expected));
  }
}

}  // namespace uniform_schedule_tests
