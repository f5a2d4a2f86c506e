// SPDX-License-Identifier: MIT
// Measured steps as timelines: every task of the schedule is there, in an order that can be, and so are waits,
// recomputations and sums over replicas.
#include <remat/distributed/gathered_timeline.hpp>
#include <remat/report/gantt.hpp>

#include "training.hpp"

#include <unit/temporary_folder.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <vector>

namespace timeline_tests {

using remat::activity;

remat::timeline one_step(remat::distributed_network& model, const networks::network& n) {
  const std::size_t samples = n.microbatch * model.microbatches() * static_cast<std::size_t>(model.replicas());
  for (std::uint64_t step = 0; step < 2; ++step)
    model.train_on(sources_of(networks::random_batch(n, model.lowered(), samples, step)));
  return gather_timeline(model);
}

TEST_CASE("a clock is compared at the middle of a question and its answer") {
  CHECK(remat::detail::clock_offset(10, 107, 14) == 95);  // this rank's 12 is rank 0's 107
  CHECK(remat::detail::clock_offset(107, 10, 109) == -98);
}

struct times {
  double first = 1e300, last = 0, seconds = 0;
};

TEST_CASE("the timeline of a step has every task of the schedule, in an order that can be") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const networks::network& n = networks::named("nested");
  for (int partitions = 1; partitions <= session().size(); ++partitions)
    for (const auto& [is_checked, halves] : {std::pair{false, false}, {true, false}, {false, true}, {true, true}}) {
      if (session().size() % partitions != 0) continue;
      INFO(partitions << " of " << session().size() << " ranks, checkpoints: " << is_checked << ", halves: " << halves);
      remat::distributed_options how{
          .threads = 1, .partitions = partitions, .microbatches = 4, .logs_partition = false};
      how.checkpoints = remat::checkpoints::none();
      if (halves) how.schedule = remat::schedule::zero_bubble;
      if (is_checked) how.checkpoints.push_back(remat::checkpoint_at(n.chain, remat::strategy::each{}));
      remat::distributed_network model(session(), n.lower(), how);
      const remat::timeline events = one_step(model, n);
      CHECK(std::abs(remat::detail::clock_offset(model)) < 1);  // the processes of a node have one clock
      const auto recomputed =
          largest_of_ranks(remat::internals::last_pipeline(model).executed(remat::action_kind::recompute));
      if (session().rank() != 0) {
        CHECK(events.empty());
        continue;
      }
      std::map<std::tuple<int, activity, int, int>, times> found;  // by replica, kind, stage and micro-batch
      std::map<int, std::vector<std::pair<double, double>>> of_rank;
      bool has_recomputation = false, has_reduction = false;
      for (const remat::timeline_event& e : events) {
        CHECK(e.begin >= 0);
        CHECK(e.end >= e.begin);
        has_recomputation = has_recomputation || e.what == activity::recompute;
        has_reduction = has_reduction || e.what == activity::all_reduce;
        if (e.what == activity::all_reduce) continue;
        of_rank[e.rank].emplace_back(e.begin, e.end);
        times& t = found[{model.grid().replica(e.rank), e.what, e.stage, e.microbatch}];
        t.first = std::min(t.first, e.begin);
        t.last = std::max(t.last, e.end);
        t.seconds += e.end - e.begin;
      }
      CHECK(has_recomputation == (recomputed > 0));
      CHECK(has_reduction == (model.replicas() > 1));
      for (auto& [rank, spans] : of_rank) {
        std::ranges::sort(spans);
        for (std::size_t i = 1; i < spans.size(); ++i) CHECK(spans[i].first >= spans[i - 1].second);
      }
      for (int replica = 0; replica < model.replicas(); ++replica)
        for (int stage = 0; stage < model.schedule().stages; ++stage)
          for (int m = 0; m < 4; ++m) {
            const times forward = found[{replica, activity::forward, stage, m}];
            const times backward = found[{replica, activity::backward, stage, m}];
            CHECK(forward.seconds > 0);
            CHECK(backward.seconds > 0);
            CHECK(backward.first >= forward.last);
            const times parameters = found[{replica, activity::backward_parameters, stage, m}];
            CHECK((parameters.seconds > 0) == (halves && stage > 0));
            if (halves && stage > 0) CHECK(parameters.first >= backward.last);
            if (stage == 0) continue;
            CHECK(forward.last > found[{replica, activity::forward, stage - 1, m}].first);
            CHECK(backward.first < found[{replica, activity::backward, stage - 1, m}].last);
          }
      const temporary_folder folder;
      const auto path = folder.path() / "step.svg";
      remat::write_gantt(path, events, {.title = "measured"});
      CHECK(temporary_folder::stored(path).find("</svg>") != std::string::npos);
    }
}

TEST_CASE("a trace is cut into what was computed, recomputed and waited for") {
  remat::pipeline_trace trace;
  trace.waits = {{1, 2}, {3, 4}, {9, 10}};
  trace.events = {{{remat::task_kind::forward, 1, 0}, 2, 5, 1}, {{remat::task_kind::backward, 1, 0}, 5, 9, 0}};
  trace.recomputations = {{5, 6}, {7, 8}};
  trace.reductions = {{8, 11, 4}};
  const remat::timeline events = remat::events_of(trace, 3);
  const std::vector<std::tuple<activity, int, double, double>> expected{
      {activity::wait, -1, 1, 2},       {activity::forward, 1, 2, 3},   {activity::wait, 1, 3, 4},
      {activity::forward, 1, 4, 5},     {activity::recompute, 1, 5, 6}, {activity::backward, 1, 6, 7},
      {activity::recompute, 1, 7, 8},   {activity::backward, 1, 8, 9},  {activity::wait, -1, 9, 10},
      {activity::all_reduce, -1, 8, 11}};
  std::vector<std::tuple<activity, int, double, double>> found;
  for (const remat::timeline_event& e : events) {
    CHECK(e.rank == 3);
    found.emplace_back(e.what, e.stage, e.begin, e.end);
  }
  CHECK((found == expected));
}

}  // namespace timeline_tests
