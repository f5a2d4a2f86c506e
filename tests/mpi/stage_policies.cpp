// SPDX-License-Identifier: MIT
// What a stage recomputes: policies by stage, policies that see their stage, and micro-batches without checkpoints.
#include "training.hpp"

#include <networks/policies.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace stage_policies_tests {

using Catch::Matchers::Contains;
using remat::action_kind;
namespace strategy = remat::strategy;

/// Keeps everything where one micro-batch is in flight, and nothing elsewhere; and writes down what it is told.
struct by_context {
  static inline std::vector<remat::segment_context> seen;

  static remat::core::list<remat::decision> plan(std::span<const remat::operation_view> segment,
                                                 const remat::segment_context& context) {
    seen.push_back(context);
    return remat::core::list<remat::decision>(
        segment.size(), context.in_flight == 1 ? remat::decision::keep : remat::decision::recompute);
  }
};

remat::distributed_options options(const networks::network& n, std::size_t microbatches,
                                   remat::pipeline_schedule schedule = remat::schedule::one_f_one_b) {
  return {.seed = 3,
          .threads = 1,
          .checkpoints = {remat::checkpoint_at(n.chain, strategy::each{})},
          .frozen = n.frozen,
          .microbatches = microbatches,
          .schedule = std::move(schedule),
          .logs_partition = false};
}

/// The recomputations of a stage for a micro-batch.
std::size_t recomputations(const remat::pipeline& line, std::size_t local, int m) {
  return count(line.planned(local, m), action_kind::recompute);
}

outcome of_one_process(const networks::network& n, std::size_t microbatches) {
  remat::network one = networks::make(
      n, {.seed = 3, .threads = 1, .checkpoints = remat::checkpoints::none(), .microbatches = microbatches});
  return train(n, one, n.microbatch * microbatches);
}

/// Trains and compares with one process; counts and bytes are as planned.
void check(remat::distributed_network& model, const networks::network& n, const outcome& expected) {
  const std::size_t samples = n.microbatch * model.microbatches();
  if (n.start != nullptr) n.start(model);
  const outcome made = train(n, model, samples);
  check_same(made, expected);
  const remat::pipeline& line = remat::internals::last_pipeline(model);
  CHECK(line.executed(action_kind::recompute) == line.planned_count(action_kind::recompute));
  const auto data = networks::random_batch(n, model.lowered(), samples, 7);
  CHECK(networks::with(data, [&](const auto&... tensors) { return audit(model, tensors...); }).holds());
}

TEST_CASE("each stage may have a policy of its own") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const int stages = session().size();
  for (const char* name : {"nested", "resnet", "example_01"}) {
    const networks::network& n = networks::named(name);
    const outcome expected = of_one_process(n, 4);
    std::vector<std::size_t> without, with;
    for (int changed = -1; changed < stages; ++changed) {
      INFO(name << ", stage " << changed << " of " << stages);
      remat::distributed_options how = options(n, 4);
      if (changed >= 0) how.stage_policies = {remat::checkpoint_on_stage(changed, remat::save_all{})};
      remat::distributed_network model(session(), n.lower(), how);
      check(model, n, expected);
      const std::size_t here = recomputations(remat::internals::last_pipeline(model), 0, 0);
      if (changed < 0) without.push_back(here);
      if (changed == model.partition()) CHECK(here == 0);
      if (changed >= 0 && changed != model.partition()) CHECK(here == without[0]);
      if (changed == model.partition()) CHECK(remat::internals::last_pipeline(model).planned(0, 0).segments.empty());
    }
    remat::distributed_options how = options(n, 4);
    for (int s = 0; s < stages; ++s)
      if (s % 2 == 0)
        how.stage_policies.emplace_back(s, remat::save_only<remat::kind<"conv2d">>{});
      else
        how.stage_policies.emplace_back(s, remat::every<2>{});
    remat::distributed_network model(session(), n.lower(), how);
    check(model, n, expected);
    for (const remat::segment& s : remat::internals::last_pipeline(model).planned(0, 0).segments)
      CHECK(s.policy == (model.partition() % 2 == 0 ? "save_only" : "every"));
  }
}

TEST_CASE("what waits in a storage gives the same bits on every stage, under every schedule") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  for (const char* name : {"nested", "resnet"}) {
    const networks::network& n = networks::named(name);
    const std::size_t microbatches = 2 * static_cast<std::size_t>(session().size());
    const outcome expected = of_one_process(n, microbatches);
    for (const char* policy :
         {"a user's own storage of all that is kept", "blocks, stored apart", "save_all, in a file"})
      for (const remat::pipeline_schedule& schedule : {remat::pipeline_schedule(remat::schedule::one_f_one_b),
                                                       remat::pipeline_schedule(remat::schedule::zero_bubble)}) {
        INFO(name << ", " << policy << ", " << schedule.name());
        remat::distributed_options how = options(n, microbatches, schedule);
        how.checkpoints = networks::policy_named(policy).checkpoints(n, fuse(n.lower()));
        remat::distributed_network model(session(), n.lower(), how);
        check(model, n, expected);
        const remat::pipeline& line = remat::internals::last_pipeline(model);
        CHECK(largest_of_ranks(line.executed(action_kind::store) + line.executed(action_kind::begin_write)) > 0);
        for (const action_kind kind : {action_kind::store, action_kind::restore, action_kind::begin_write,
                                       action_kind::finish_write, action_kind::begin_read, action_kind::finish_read})
          CHECK(line.executed(kind) == line.planned_count(kind));
      }
  }
}

TEST_CASE("what waits in a file may be read some tasks before the backward pass of its stage") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const networks::network& n = networks::named("nested");
  const std::size_t microbatches = 2 * static_cast<std::size_t>(session().size());
  const outcome expected = of_one_process(n, microbatches);
  for (const remat::pipeline_schedule& schedule :
       {remat::pipeline_schedule(remat::schedule::gpipe), remat::pipeline_schedule(remat::schedule::zero_bubble),
        remat::pipeline_schedule(remat::schedule::interleaved<2>)})
    for (const int tasks : {0, 1, 4}) {
      INFO(schedule.name() << ", " << tasks << " tasks ahead");
      remat::distributed_options how = options(n, microbatches, schedule);
      how.checkpoints = {remat::checkpoint_at(
          "", remat::verified{remat::save_all{}},
          remat::offload<remat::file>{.window = {.read_ahead = 3, .tasks_ahead = tasks, .least_bytes = 1}})};
      remat::distributed_network model(session(), n.lower(), how);
      check(model, n, expected);
      std::size_t ahead = 0;
      const remat::pipeline& line = remat::internals::last_pipeline(model);
      for (std::size_t local = 0; local < line.stages(); ++local)
        for (const remat::plan_region& each : line.planned(local, 0).regions)
          ahead += each.tasks_ahead > 0 ? each.bytes : 0;
      if (session().size() > 1)
        CHECK((largest_of_ranks(ahead) > 0) == (tasks > 0));
      else  // a micro-batch may go back at once
        CHECK((ahead == 0 || tasks > 0));
    }
}

TEST_CASE("a stage that is not there, or is given two policies, is refused on all ranks") {
  const networks::network& n = networks::named("example_01");
  const auto refusal = [&](const std::vector<remat::checkpoint_on_stage>& policies) {
    remat::distributed_options how = options(n, 2);
    how.stage_policies = policies;
    try {
      remat::distributed_network model(session(), n.lower(), how);
    } catch (const remat::collective_error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK_THAT(refusal({{session().size(), remat::save_all{}}}),
             Contains("there is no stage " + std::to_string(session().size()) + " to give a policy to"));
  CHECK_THAT(refusal({{0, remat::save_all{}}, {0, remat::recompute_all{}}}), Contains("stage 0 is given two policies"));
}

TEST_CASE("a policy sees its stage and the micro-batches that the stage keeps") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const networks::network& n = networks::named("nested");
  for (const remat::pipeline_schedule& schedule :
       {remat::pipeline_schedule(remat::schedule::gpipe), remat::pipeline_schedule(remat::schedule::one_f_one_b),
        remat::pipeline_schedule(remat::schedule::zero_bubble),
        remat::pipeline_schedule(remat::schedule::interleaved<2>)}) {
    INFO(schedule.name());
    remat::distributed_options how = options(n, 4 * static_cast<std::size_t>(session().size()), schedule);
    how.checkpoints = {remat::checkpoint_at(n.chain, strategy::each{}, by_context{})};
    how.activation_bytes = 789;
    remat::distributed_network model(session(), n.lower(), how);
    by_context::seen.clear();
    const remat::pipeline& line = pipeline_of(model, n.microbatch);
    const remat::core::list<int> kept = in_flight(model.schedule());
    for (const remat::segment_context& c : by_context::seen) {
      CHECK(model.schedule().rank_of(c.stage) == model.partition());
      CHECK(c.in_flight == kept[c.stage]);
      CHECK(c.batch == n.microbatch);
      CHECK(c.bytes == 789u);
    }
    for (std::size_t local = 0; local < line.stages(); ++local) {
      const bool has_segments = !line.planned(local, 0).segments.empty();
      const bool asked = std::ranges::any_of(
          by_context::seen, [&](const remat::segment_context& c) { return c.stage == line.stage(local); });
      CHECK(asked == has_segments);
      if (kept[line.stage(local)] == 1) CHECK(recomputations(line, local, 0) == 0);
    }
    check(model, n, of_one_process(n, model.microbatches()));
  }
}

TEST_CASE("except_last leaves out the last micro-batch where its backward pass follows at once") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  std::size_t left_out = 0;
  for (const char* name : {"nested", "resnet", "unet", "tied", "example_01"}) {
    const networks::network& n = networks::named(name);
    const int microbatches = 2 * session().size();
    const outcome expected = of_one_process(n, static_cast<std::size_t>(microbatches));
    for (const remat::pipeline_schedule& schedule :
         {remat::pipeline_schedule(remat::schedule::gpipe), remat::pipeline_schedule(remat::schedule::one_f_one_b),
          remat::pipeline_schedule(remat::schedule::zero_bubble),
          remat::pipeline_schedule(remat::schedule::interleaved<2>)}) {
      if (schedule.stages(session().size()) > remat::fuse(n.lower()).operations.count()) continue;
      INFO(name << ", " << schedule.name());
      remat::distributed_options how = options(n, static_cast<std::size_t>(microbatches), schedule);
      how.checkpointing = remat::checkpointing::except_last;
      remat::distributed_network model(session(), n.lower(), how);
      check(model, n, expected);
      const remat::pipeline& line = remat::internals::last_pipeline(model);
      const remat::task_positions positions(line.table());
      for (std::size_t local = 0; local < line.stages(); ++local) {
        const int s = line.stage(local), last = microbatches - 1;
        const bool follows = positions.position_of(remat::pass_kind::backward_input, s, last) ==
                             positions.position_of(remat::pass_kind::forward, s, last) + 1;
        for (int m = 0; m < last; ++m) CHECK(recomputations(line, local, m) == recomputations(line, local, 0));
        CHECK(recomputations(line, local, last) == (follows ? 0 : recomputations(line, local, 0)));
        if (follows && recomputations(line, local, 0) > 0) ++left_out;
      }
    }
  }
  CHECK(largest_of_ranks(left_out) > 0);
}

}  // namespace stage_policies_tests
