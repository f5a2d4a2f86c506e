// SPDX-License-Identifier: MIT
// Budgets that may take tensors out of the arena: on small programs the fastest of all choices of what is kept, what is
// on the disk, and what is computed again; never slower than without a disk, or with more bytes.
#include "random_chains.hpp"

#include <remat/check/plan_checker.hpp>
#include <remat/plan/certify.hpp>
#include <remat/plan/tape_rows.hpp>
#include <remat/plan/plan.hpp>
#include <remat/run/offload.hpp>

#include <networks/networks.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace disk_budget_tests {

using Catch::Matchers::Contains;
using random_chains::maker, random_chains::ranges;
using remat::action_kind, remat::budget, remat::offload;

/// A disk on which this many bytes are written and read while one FLOP is done.
offload<remat::file> disk(double write, double read, remat::transfer_window window = {.least_bytes = 1}) {
  const double flops = remat::counted_flops_per_second;
  return {.window = window, .rate = {write * flops, read * flops}};
}

/// How long a step takes by the tape: operations one after another, and transfers one after another next to them, each
/// of which begins no sooner than the step says, and is waited for where the step says.
double step_time(const remat::program& p, const remat::plan& made, double write, double read) {
  const auto needs = remat::detail::backward_needs(p);
  double now = 0, is_free = 0;
  std::map<int, double> ends;
  for (const remat::action& a : made.steps.actions) {
    const auto takes = [&](int memory, double rate) {
      is_free = std::max(now, is_free) + static_cast<double>(made.steps.buffers[memory].bytes) / rate;
      return is_free;
    };
    if (a.kind == action_kind::begin_write) ends[a.outputs[0]] = takes(a.inputs[0], write);
    if (a.kind == action_kind::begin_read) ends[a.outputs[0]] = takes(a.outputs[0], read);
    if (a.kind == action_kind::finish_write || a.kind == action_kind::finish_read)
      now = std::max(now, ends.at(a.outputs[0]));
    if (a.operation == remat::core::none) continue;
    const double flops = p.operations[a.operation].flops;
    if (a.kind == action_kind::forward || a.kind == action_kind::recompute) now += flops;
    if (a.kind == action_kind::backward_input || a.kind == action_kind::backward_parameters) now += flops;
    if (a.kind == action_kind::backward) now += 2 * flops;
  }
  return now;
}

struct point {
  std::size_t bytes;
  double time;
};

/// Everything that the trees of a program and sets of what waits on the disk take.
std::vector<point> all_points(const remat::program& p, double write, double read) {
  const remat::plan_request request{.batch = 1, .bytes = 1};
  const remat::detail::training_planner planner(p, request);
  std::vector<ranges> trees;
  random_chains::each_tree(p, 0, p.operations.count() - 1, true, {}, trees);
  std::vector<point> found;
  for (const ranges& tree : trees) {
    remat::core::list<remat::chosen_range> chosen;
    for (const remat::chosen_range& each : tree) chosen.push_back(each);
    const remat::plan kept = planner.make(chosen);
    remat::core::list<int> waiting;  // made in the forward pass, and read after it
    const remat::core::list<int> is_kept = remat::kept_buffers(kept);
    for (int b = 0; b < is_kept.count(); ++b)
      if (is_kept[b] && kept.steps.buffers[b].tensor != p.loss) waiting.push_back(kept.steps.buffers[b].tensor);
    for (unsigned set = 0; set < 1u << waiting.count(); ++set) {
      remat::core::list<int> outside;
      for (int k = 0; k < waiting.count(); ++k)
        if (set >> k & 1) outside.push_back(waiting[k]);
      for (const int most : {0, 1, 3}) {  // under way
        const remat::plan made = planner.make(chosen, 0, {outside, most});
        found.push_back({made.activation_bytes, step_time(p, made, write, read)});
      }
    }
  }
  return found;
}

/// At some numbers of bytes; how often the disk makes a step faster, and possible at all.
void check_exact(unsigned seed, int operations, int& faster, int& possible) {
  maker make(seed);
  const double write = make.pick(1, 200), read = make.pick(1, 200);
  const remat::transfer_window window{make.pick(0, 4), make.pick(0, 4), 1, 1};
  remat::program p = make.chain(make.pick(1, operations + 1), false, {budget{}, {}, disk(write, read, window)});
  const std::vector<point> all = all_points(p, write, read);
  remat::program in_arena = p;
  in_arena.nodes[0].checkpoints[0].storage = {};
  std::size_t most = 0, least = std::numeric_limits<std::size_t>::max();
  for (const point& each : all) most = std::max(most, each.bytes), least = std::min(least, each.bytes);
  INFO("seed " << seed << ", a disk of " << write << " and " << read << " bytes a FLOP");
  double before = 0;
  for (std::size_t bytes = most; bytes >= least; bytes -= remat::alignment) {
    double best = std::numeric_limits<double>::infinity();
    for (const point& each : all)
      if (each.bytes <= bytes) best = std::min(best, each.time);
    INFO(bytes << " bytes");
    const remat::plan made = remat::plan_training(p, {.batch = 1, .bytes = bytes});
    const double time = step_time(p, made, write, read);
    REQUIRE(made.activation_bytes <= bytes);
    REQUIRE(time == Approx(best).epsilon(1e-12));
    CHECK(time >= before * (1 - 1e-12));
    before = time;
    try {
      const double without = step_time(p, remat::plan_training(in_arena, {.batch = 1, .bytes = bytes}), write, read);
      CHECK(time <= without * (1 + 1e-12));
      if (time < without) ++faster;
    } catch (const remat::error&) {
      ++possible;
    }
    if (bytes < least + 2 * remat::alignment) continue;
    bytes -= remat::alignment;
  }
  CHECK_THROWS_WITH(remat::plan_training(p, {.batch = 1, .bytes = least - 1}),
                    Contains("the smallest with which a step fits is " + std::to_string(least)));
}

TEST_CASE("with a disk, a budget's plan is the fastest of all that keep, transfer and compute again", "[once]") {
  int faster = 0, possible = 0;
  for (unsigned seed = 0; seed < 80; ++seed) check_exact(seed, 4, faster, possible);
  CHECK(faster > 15);
  CHECK(possible > 15);
}
TEST_CASE("of five links, too", "[long]") {
  int faster = 0, possible = 0;
  for (unsigned seed = 0; seed < 200; ++seed) check_exact(seed, 5, faster, possible);
  CHECK(faster > 100);
}

struct swept {
  int feasible = 0, faster = 0, only_on_disk = 0;
  double largest_gap = 0;
};

/// A network with a budget over all, of each `step`-th fortieth of what it takes without one, with a disk that moves as
/// many bytes while a FLOP is done.
swept sweep(const networks::network& wanted, double rate, int step) {
  remat::program p = remat::fuse(wanted.lower());
  for (remat::module_node& n : p.nodes) n.checkpoints.clear();
  p.nodes[0].checkpoints.push_back({budget{}});
  remat::program on_disk = p;
  on_disk.nodes[0].checkpoints[0].storage = disk(rate, rate);
  remat::plan_request request{.batch = wanted.microbatch, .bytes = std::size_t{1} << 50};
  remat::certifier without(p, request), with(on_disk, request);
  const std::size_t most = without.save_all().activation_bytes;
  swept all;
  double before = 0;
  for (int k = 40; k > 0; k -= step) {
    request.bytes = most * static_cast<std::size_t>(k) / 40;
    INFO(wanted.name << ", " << *request.bytes << " of " << most << " bytes");
    std::optional<remat::plan> kept, made;
    try {
      kept = remat::plan_training(p, request);
    } catch (const remat::error&) {
    }
    try {
      made = remat::plan_training(on_disk, request);
    } catch (const remat::error&) {
      CHECK_FALSE(kept);
      break;
    }
    CHECK(made->activation_bytes <= *request.bytes);
    const remat::certificate c = with.certify(*made, *request.bytes);
    CHECK(remat::check_plan(on_disk, *made, {.limit = *request.bytes, .certified = &c}).fault == "");
    CHECK(c.time.sum() >= before * (1 - 1e-12));
    before = c.time.sum();
    ++all.feasible;
    if (!kept) {
      ++all.only_on_disk;
    } else {
      const remat::certificate of_kept = without.certify(*kept, *request.bytes);
      CHECK(c.time.sum() <= of_kept.time.sum() * (1 + 1e-12));
      if (c.time.sum() < of_kept.time.sum() * (1 - 1e-6)) ++all.faster;
      CHECK(c.lower_bound() == Approx(of_kept.lower_bound()));
    }
    all.largest_gap = std::max(all.largest_gap, c.gap());
  }
  return all;
}

void sweep_all(int step, const std::vector<double>& rates) {
  std::ostringstream lines;
  int faster = 0;
  for (const networks::network& each : networks::all())
    for (const double rate : rates) {
      const swept all = sweep(each, rate, step);
      CHECK(all.feasible > 0);
      faster += all.faster;
      lines << "\n  " << each.name << ", " << rate << " bytes a FLOP: " << all.feasible << " budgets of " << 40 / step
            << ", " << all.faster << " faster than without the disk, " << all.only_on_disk
            << " not possible without; the largest gap is " << 100 * all.largest_gap << " %";
    }
  CHECK(faster > 10);
  WARN(lines.str());
}

TEST_CASE("what is alive of tensors that begin at whole pages is counted as it is used") {
  int in_pages = 0;
  for (const char* name : {"nested", "rows", "masked"}) {
    remat::program p = remat::fuse(networks::named(name).lower());
    for (remat::module_node& n : p.nodes) n.checkpoints.clear();
    p.nodes[0].checkpoints.push_back({budget{}});
    p.nodes[0].checkpoints[0].storage = disk(0.3, 0.3, {});
    remat::plan_request request{.batch = 10'007, .bytes = std::size_t{1} << 50};
    const remat::certifier certifier(p, request);
    const std::size_t most = certifier.save_all().activation_bytes;
    for (const double share : {0.9, 0.7, 0.5}) {
      request.bytes = static_cast<std::size_t>(share * static_cast<double>(most));
      std::optional<remat::plan> made;
      try {
        made = remat::plan_training(p, request);
      } catch (const remat::error&) {
        continue;
      }
      if (made->steps.alignment == remat::alignment) continue;
      ++in_pages;
      INFO(name << ", " << share << " of " << most << " bytes");
      const remat::fragmentation memory = remat::fragmentation_of(p, *made);
      CHECK(memory.live_bytes <= memory.placed_bytes);
      CHECK(memory.live_bytes == made->live_bytes);
      const std::vector<remat::tape_row> rows = remat::tape_rows(p, *made);
      CHECK(std::ranges::max(rows, {}, &remat::tape_row::live_bytes).live_bytes == made->live_bytes);
    }
  }
  CHECK(in_pages > 0);
}

TEST_CASE("on every network a disk makes no budget slower, and more bytes never take longer", "[once]") {
  sweep_all(14, {0.3});
}
TEST_CASE("on every network with disks of three rates, at 20 budgets each, too", "[long]") {
  sweep_all(2, {0.003, 0.03, 0.3});
}

}  // namespace disk_budget_tests
