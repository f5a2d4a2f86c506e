// SPDX-License-Identifier: MIT
// Uniform chains whose budgets may use a disk: the closed form is the least of its recurrence and never above
// H-Revolve's, and budgets take their plans from it.
#include "same_bits.hpp"
#include "saving_steps.hpp"

#include <remat/check/plan_checker.hpp>
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace uniform_disk_tests {

namespace nn = remat::nn;
using remat::budget, remat::offload;
using remat::detail::disk_prices, remat::detail::uniform_disk_schedules, remat::detail::uniform_links,
    remat::detail::uniform_schedules, remat::detail::uniform_split;

constexpr double never = std::numeric_limits<double>::infinity();
using table = std::vector<std::vector<double>>;  // of units, of links

std::size_t number(int value) { return static_cast<std::size_t>(value); }

/// What reversing some links costs, in links that run again: each option of a schedule in turn; in memory alone, or
/// with what the first pass leaves on a disk, before or after what it keeps in memory.
table least_costs(const uniform_links& all, int units, const disk_prices& price, const table* in_memory = nullptr) {
  table least(number(units) + 1, std::vector<double>(number(all.count) + 1));
  for (int m = 0; m <= units; ++m)
    for (int l = m / all.tape + 2; l <= all.count; ++l) {
      double best = never;
      const auto row = [&](int rest) { return least[number(m - rest)]; };
      const std::vector<double>& part = in_memory != nullptr ? (*in_memory)[number(m)] : least[number(m)];
      const auto cut = [&](double cost, const std::vector<double>& rest) {
        for (int u = 1; u < l; ++u)
          best = std::min(best, cost + u - 1 + all.last + part[number(u)] + rest[number(l - u)]);
      };
      if (m >= all.tape) best = std::min(best, row(all.tape)[number(l - 1)]);
      if (m >= all.state) cut(0, row(all.state));
      if (in_memory != nullptr) {
        best = std::min(best, price.tape + row(0)[number(l - 1)]);
        cut(price.state, row(0));
      }
      least[number(m)][number(l)] = best;
    }
  return least;
}

double cost_of(const uniform_split& split, const disk_prices& price) {
  return split.again + (split.states > 0 ? split.states * price.state : 0) +
         (split.tapes > 0 ? split.tapes * price.tape : 0);
}

/// The largest ratio of the closed form's cost to the least.
double worst_ratio(const uniform_links& all, const disk_prices& price, int units) {
  const table in_memory = least_costs(all, units, price), least = least_costs(all, units, price, &in_memory);
  const uniform_schedules of_memory(all);
  const uniform_disk_schedules found(of_memory, all);
  double worst = 1;
  for (int m = 0; m <= units; ++m) {
    const uniform_split split = uniform_disk_schedules::at_units(found, m).cheapest(price);
    const double cost = cost_of(split, price), best = least[number(m)].back();
    INFO(m << " units");
    if (best == never) {
      REQUIRE(cost == never);
      continue;
    }
    REQUIRE(cost >= best - 1e-3);
    worst = std::max(worst, best > 0 ? cost / best : 1);
    // As many links as its segments run again.
    double again = 0;
    for (const remat::chain_segment& each : found.segments(split, m))
      again += static_cast<double>(each.last - each.first) - 1 + all.last;
    REQUIRE(again == Approx(split.again).epsilon(1e-5));
    int links = split.tail;
    for (const int each : split.parts) links += std::max(each, 1);
    REQUIRE(links == all.count);
  }
  return worst;
}

const uniform_links kinds[] = {{60, 1, 1, 1}, {60, 1, 1, 0}, {45, 2, 3, 0.5}, {50, 1, 6, 1}, {50, 6, 1, 0.3}};

TEST_CASE("with a disk, nothing costs less than the closed form's schedules") {
  for (const uniform_links& all : kinds)
    for (const disk_prices& price : {disk_prices{4, 4}, {0.5, 2}, {30, 12}, {7, never}, {never, 3}})
      CHECK(worst_ratio(all, price, 8 * std::max(all.state, all.tape)) == Approx(1).epsilon(1e-4));
}
TEST_CASE("nothing of longer chains by more than a thousandth", "[long]") {
  for (uniform_links all : kinds)
    for (const int count : {400, 600, 900}) {
      all.count = count;
      for (const disk_prices& price : {disk_prices{4, 4}, {300, 200}, {25, never}})
        CHECK(worst_ratio(all, price, 6 * std::max(all.state, all.tape)) < 1.001);
    }
}

/// Steps forward, and two for each transfer.
std::size_t cost_of_plan(const remat::plan& made) {
  using enum remat::action_kind;
  return remat::count(made, forward) + remat::count(made, recompute) + 2 * remat::count(made, begin_write) +
         2 * remat::count(made, begin_read);
}

/// What H-Revolve costs with a disk of any size, steps back aside: the recurrence of Herrmann and Pallez 2020 for two
/// levels, in which a state on the disk may be read again and again.
std::vector<double> costs_of_hrevolve(int links, int slots) {
  const auto count = number(links);
  std::vector<double> memory(count);  // one slot; l more steps than one
  for (int l = 0; l < links; ++l) memory[number(l)] = l * (l + 1) / 2;
  for (int m = 2; m <= slots; ++m) {
    const std::vector<double> fewer = memory;
    for (int l = 1; l < links; ++l)
      for (int j = 1; j <= l; ++j)
        memory[number(l)] = std::min(memory[number(l)], j + fewer[number(l - j)] + memory[number(j - 1)]);
  }
  std::vector<double> stored(count), whole(count);  // the first state is on the disk, or is not yet
  for (int l = 0; l < links; ++l) {
    stored[number(l)] = memory[number(l)];
    for (int j = 1; j < l; ++j)
      stored[number(l)] = std::min(stored[number(l)], j + whole[number(l - j)] + 2 + stored[number(j - 1)]);
    whole[number(l)] = std::min(memory[number(l)], 2 + stored[number(l)]);
  }
  for (int l = 0; l < links; ++l) whole[number(l)] += l + 1;  // each step runs once more right before it is reversed
  return whole;
}

void compare_with_hrevolve(const std::vector<int>& lengths, const std::vector<int>& all_slots) {
  int less = 0, on_disk = 0;
  for (const int slots : all_slots) {
    const std::vector<double> published = costs_of_hrevolve(lengths.back(), slots);
    const uniform_links all{lengths.back(), 1, 1, 1};
    const table in_memory = least_costs(all, slots, {4, 4}), least = least_costs(all, slots, {4, 4}, &in_memory);
    for (const int links : lengths) {
      INFO(links << " links, " << slots << " slots");
      const remat::plan made =
          saving_steps::planned(links, {saving_steps::budget_of(slots), {}, saving_steps::waited_for()});
      const auto cost = static_cast<double>(cost_of_plan(made));
      CHECK(cost <= published[number(links - 1)]);
      CHECK(cost <= links + least[number(slots)][number(links)]);
      less += cost < published[number(links - 1)];
      on_disk += remat::count(made, remat::action_kind::begin_write) > 0;
    }
  }
  CHECK(less > 0);
  CHECK(on_disk > 0);
}

TEST_CASE("a budget with a disk is never above H-Revolve's cost in as many slots") {
  compare_with_hrevolve({2, 5, 13, 14, 30, 60}, {1, 3, 8});
}
TEST_CASE("on a wide grid, too", "[long][once]") {
  std::vector<int> lengths;
  for (int links = 2; links <= 80; ++links) lengths.push_back(links);
  for (const int links : {130, 250, 399, 401}) lengths.push_back(links);
  compare_with_hrevolve(lengths, {1, 2, 3, 4, 5, 6, 7, 8, 12, 20});
}

using layer = remat::residual<remat::sequential<nn::linear<8, 8>, nn::tanh, nn::dropout<0.1>>>;
remat::program chain(int links, std::size_t bytes, std::optional<offload<remat::file>> disk) {
  static const remat::program one = remat::lower<remat::repeat<1, layer>, remat::tensor<float, 8>>();
  remat::program p = remat::fuse(uniform_chain::repeated(one, links, {budget{bytes}}));
  if (disk) p.nodes[0].checkpoints[0].storage = *disk;
  return p;
}
/// A disk on which as many bytes are written and read while one FLOP is done.
offload<remat::file> disk(double write, double read) {
  const double flops = remat::counted_flops_per_second;
  return {.window = {.least_bytes = 1}, .rate = {write * flops, read * flops}};
}

void compare_with_memory(int links, const std::vector<double>& rates, const std::vector<std::size_t>& parts) {
  constexpr std::size_t batch = 8;
  const std::size_t most = remat::plan_training(chain(links, 1'000'000'000, {}), batch).activation_bytes;
  for (const double rate : rates) {
    int faster = 0;
    double before = never;
    for (const std::size_t part : parts) {
      const std::size_t bytes = most / part;
      INFO("1/" << part << ", a disk of " << rate << " bytes a FLOP");
      const remat::program in_memory = chain(links, bytes, {}), p = chain(links, bytes, disk(rate, rate));
      const remat::plan_request request{.batch = batch};
      const remat::plan made = remat::plan_training(p, request);
      CHECK(made.activation_bytes <= bytes);
      const std::optional<remat::certificate> c = remat::certify(p, request, made);
      REQUIRE(c);
      CHECK(c->gap() >= 0);
      CHECK(remat::check_plan(p, made, {.limit = bytes, .certified = &*c}).fault == "");
      CHECK(c->time.sum() <= before * (1 + 1e-12));
      before = c->time.sum();
      try {
        const remat::plan kept = remat::plan_training(in_memory, request);
        const double without = remat::certify(in_memory, request, kept)->time.sum();
        CHECK(c->time.sum() <= without * (1 + 1e-12));
        faster += c->time.sum() < without * 0.999;
      } catch (const remat::error&) {  // too small
      }
    }
    CHECK((faster > 0) == (rate > 1e-6));
  }
}
TEST_CASE("a disk makes no plan of a long chain slower, and more bytes never take longer", "[once]") {
  compare_with_memory(600, {2.0, 1e-7}, {80, 20, 4});
}
TEST_CASE("at more rates and budgets, too", "[long][once]") {
  compare_with_memory(2'500, {2.0, 0.3, 0.05, 1e-7}, {500, 400, 300, 200, 150, 100, 60, 40, 20, 10, 5, 3, 2});
}

TEST_CASE("the smallest budget of a long chain is smaller with a disk", "[once]") {
  constexpr int links = 600;
  const auto smallest = [](const std::optional<offload<remat::file>>& on) -> std::size_t {
    try {
      remat::plan_training(chain(links, 1, on), 8);
    } catch (const remat::error& e) {
      const std::string text = e.what(), before = "the smallest with which a step fits is ";
      return std::stoul(text.substr(text.find(before) + before.size()));
    }
    return 0;
  };
  const std::size_t with = smallest(disk(1, 1));
  CHECK(with > 0);
  CHECK(with <= smallest({}));
  CHECK(remat::plan_training(chain(links, with, disk(1, 1)), 8).activation_bytes == with);
}

TEST_CASE("bits of uniform chains on a disk are those of a plan that keeps everything, in the planned bytes") {
  struct result {
    std::vector<float> bits;
    remat::plan_report planned;
    std::size_t reserved;
  };
  const auto train = [](int links, std::size_t bytes, const std::optional<offload<remat::file>>& on) {
    remat::network network(chain(links, bytes, on), {.threads = 1, .input_gradients = true});
    std::vector<float> x(64), dy(64, 1.0f);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.01f * static_cast<float>(i);
    network.forward(x);
    network.backward(dy);
    result made{{network.input_gradient().begin(), network.input_gradient().end()},
                network.plan(8),
                network.reserved().activations};
    for (const remat::parameter_view& p : network.parameters())
      made.bits.insert(made.bits.end(), p.gradient.begin(), p.gradient.end());
    return made;
  };
  for (const int links : {16, 420}) {
    const result kept = train(links, 1'000'000'000, {});
    for (const std::size_t bytes : {kept.reserved / 2, kept.reserved / 4})
      for (const bool waits : {false, true}) {
        offload<remat::file> on = disk(2, 2);
        on.path = remat::temporary_directory();
        if (waits) on.window.read_ahead = on.window.write_behind = 0;
        const result found = train(links, bytes, on);
        INFO(links << " links, " << bytes << " bytes" << (waits ? ", each transfer is waited for" : ""));
        CHECK(same_bits(found.bits, kept.bits));
        CHECK(found.planned.writes > 0);
        CHECK(found.planned.activation_bytes <= bytes);
        CHECK(found.reserved == found.planned.activation_bytes);
      }
  }
}

}  // namespace uniform_disk_tests
