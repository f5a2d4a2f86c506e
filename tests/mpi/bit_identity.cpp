// SPDX-License-Identifier: MIT
// One model on many ranks gives the bits of one process at the same micro-batches, whatever the schedule, the policy
// and the way gradients are summed, in float32 as in bfloat16: losses, gradients, parameters and states after three
// steps of momentum SGD.
#include "training.hpp"

#include <networks/policies.hpp>

#include <catch2/catch.hpp>

#include <vector>

namespace bit_identity_tests {

using remat::action_kind, remat::checkpoint_at;
namespace strategy = remat::strategy;

struct policy {
  const char* name;
  std::vector<checkpoint_at> (*checkpoints)(const networks::network&);
  bool recomputes = true;
};
const policy policies[] = {
    {"save_all", [](const networks::network&) { return std::vector<checkpoint_at>{}; }, false},
    {"each", [](const networks::network& n) { return std::vector{checkpoint_at(n.chain, strategy::each{})}; }},
    {"contiguous",
     [](const networks::network& n) { return std::vector{checkpoint_at(n.chain, strategy::contiguous{})}; }},
    {"square_root", [](const networks::network& n) {
       return std::vector{checkpoint_at(n.chain, strategy::contiguous{}, remat::square_root{})};
     }}};

TEST_CASE("every schedule, policy and way to sum gradients gives the bits of one process") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const std::size_t ranks = static_cast<std::size_t>(session().size());
  const std::size_t microbatches = ranks == 3 ? 6 : 4;
  std::size_t cells = 0, recomputing = 0;
  remat::element compute = remat::element::bfloat16;
  for (const char* name :
       {"example_01", "unet", "tied", "resnet", "masked", "nested", "two_inputs", "branches", "sequence", "padded"}) {
    const networks::network& n = networks::named(name);
    const std::size_t samples = n.microbatch * microbatches;
    compute = compute == remat::element::float32 ? remat::element::bfloat16 : remat::element::float32;
    remat::network one = networks::make(n, {.seed = 3,
                                            .threads = 1,
                                            .checkpoints = remat::checkpoints::none(),
                                            .compute = compute,
                                            .microbatches = microbatches});
    const outcome expected = train(n, one, samples);
    for (const remat::pipeline_schedule& s : schedules())
      for (const policy& p : policies)
        for (const auto sum : {remat::allreduce::overlapped, remat::allreduce::after}) {
          INFO(name << ", " << name_of(compute) << ", " << s.name() << ", " << p.name << ", "
                    << (sum == remat::allreduce::after ? "after" : "overlapped"));
          if (s.stages(static_cast<int>(ranks)) > one.lowered().operations.count()) continue;
          remat::distributed_network model(session(), n.lower(),
                                           {.seed = 3,
                                            .threads = 1,
                                            .checkpoints = p.checkpoints(n),
                                            .frozen = n.frozen,
                                            .compute = compute,
                                            .microbatches = microbatches,
                                            .schedule = s,
                                            .allreduce = sum,
                                            .recomputes_early = sum == remat::allreduce::overlapped,
                                            .logs_partition = false});
          if (n.start != nullptr) n.start(model);
          const outcome found = train(n, model, samples);
          check_same(found, expected);
          const remat::pipeline& line = remat::internals::last_pipeline(model);
          for (std::size_t kind = 0; kind < remat::action_kinds; ++kind)
            if (static_cast<action_kind>(kind) != action_kind::pack)
              CHECK(line.executed(static_cast<action_kind>(kind)) ==
                    line.planned_count(static_cast<action_kind>(kind)));
          ++cells;
          recomputing += largest_of_ranks(line.executed(action_kind::recompute)) > 0 ? 1u : 0u;
          if (!p.recomputes) CHECK(line.executed(action_kind::recompute) == 0);
        }
  }
  if (session().rank() == 0) WARN(cells << " cells on " << ranks << " ranks, " << recomputing << " recompute");
  CHECK(cells > 100);
  CHECK(recomputing > cells / 4);
}

TEST_CASE("a batch that is one micro-batch gives the bits of one process, of one sample, too") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  for (const char* name : {"example_01", "unet", "tied", "nested", "two_inputs"})
    for (const std::size_t samples : {std::size_t{1}, networks::named(name).microbatch})
      for (const remat::pipeline_schedule& s : {schedules()[0], schedules()[1], schedules()[2]}) {
        const networks::network& n = networks::named(name);
        INFO(name << ", " << samples << " samples, " << s.name());
        remat::network one = networks::make(n, {.seed = 3, .threads = 1, .checkpoints = remat::checkpoints::none()});
        const outcome expected = train(n, one, samples);
        remat::distributed_network model(session(), n.lower(),
                                         {.seed = 3,
                                          .threads = 1,
                                          .checkpoints = {checkpoint_at(n.chain, strategy::each{})},
                                          .frozen = n.frozen,
                                          .schedule = s,
                                          .logs_partition = false});
        if (n.start != nullptr) n.start(model);
        const outcome found = train(n, model, samples);
        check_same(found, expected);
      }
}

TEST_CASE("every test network gives the bits of one process") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const std::size_t microbatches = static_cast<std::size_t>(session().size()) * 2;
  std::size_t compared = 0, recomputed = 0;
  for (const networks::network& n : networks::all()) {
    const std::size_t samples = n.microbatch * microbatches;
    remat::network one = networks::make(
        n, {.seed = 3, .threads = 1, .checkpoints = remat::checkpoints::none(), .microbatches = microbatches});
    const outcome expected = train(n, one, samples);
    for (const remat::pipeline_schedule& s : schedules()) {
      INFO(n.name << ", " << s.name());
      if (s.stages(session().size()) > one.lowered().operations.count()) continue;
      remat::distributed_network model(session(), n.lower(),
                                       {.seed = 3,
                                        .threads = 1,
                                        .checkpoints = {checkpoint_at(n.chain, strategy::group<2>{})},
                                        .frozen = n.frozen,
                                        .microbatches = microbatches,
                                        .schedule = s,
                                        .partition = remat::partition::uniform,
                                        .logs_partition = false});
      if (n.start != nullptr) n.start(model);
      const outcome found = train(n, model, samples);
      check_same(found, expected);
      ++compared;
      recomputed +=
          largest_of_ranks(remat::internals::last_pipeline(model).executed(action_kind::recompute)) > 0 ? 1u : 0u;
    }
  }
  CHECK(compared > 2 * networks::all().size());  // few have too few operations for a schedule
  CHECK(recomputed > compared / 4);
}

}  // namespace bit_identity_tests
