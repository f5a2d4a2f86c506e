// SPDX-License-Identifier: MIT
// What a distributed model says of itself: the plan of each rank, and the step that the simulator expects.
#include "training.hpp"

#include <catch2/catch.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace reports_tests {

using Catch::Matchers::Contains;

template <class T>
std::string text_of(const T& what) {
  std::ostringstream text;
  text << what;
  return text.str();
}

remat::distributed_options options(const networks::network& n, std::size_t microbatches,
                                   remat::pipeline_schedule schedule) {
  return {.seed = 3,
          .threads = 1,
          .checkpoints = {remat::checkpoint_at(n.chain, remat::strategy::each{})},
          .frozen = n.frozen,
          .microbatches = microbatches,
          .schedule = std::move(schedule),
          .logs_partition = false};
}

TEST_CASE("a rank's plan names its stages, its ports and its bytes") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  for (const char* name : {"nested", "unet", "tied"})
    for (const remat::pipeline_schedule& schedule : schedules()) {
      const networks::network& n = networks::named(name);
      const std::size_t microbatches = 2 * static_cast<std::size_t>(session().size());
      remat::distributed_network model(session(), n.lower(), options(n, microbatches, schedule));
      const remat::rank_report r = model.plan(n.microbatch);
      INFO(name << ", " << schedule.name() << "\n" << r);
      CHECK(model.reserved().total() == 0);  // nothing is reserved for a question
      const remat::pipeline& line = pipeline_of(model, n.microbatch);
      CHECK(r.activation_bytes == line.layout().bytes());
      CHECK(r.live_bytes == line.layout().live_bytes());
      CHECK(r.scratch_bytes == line.needed().scratch);
      CHECK(r.stages.size() == line.stages());
      const std::string text = text_of(r);
      CHECK_THAT(text, Contains("Rank " + std::to_string(model.partition()) + " of a pipeline of " +
                                std::to_string(session().size())));
      CHECK_THAT(text, Contains(std::to_string(line.layout().bytes()) + " bytes; alive at once"));
      const remat::core::list<int> kept = in_flight(model.schedule());
      for (const remat::stage_report& s : r.stages) {
        CHECK_THAT(text, Contains("Stage " + std::to_string(s.stage) +
                                  ", micro-batches in flight: " + std::to_string(kept[s.stage]) + "\n"));
        CHECK_THAT(text, Contains(text_of(s.plan)));
        CHECK((s.stage == 0 || !s.ports.empty()));
        for (const remat::port_report& each : s.ports) {
          CHECK(each.slots >= 1);
          CHECK(each.slots <= static_cast<int>(microbatches));
          CHECK((each.from != remat::core::none || !each.to.empty()));
          CHECK_THAT(text, Contains(text_of(each)));
        }
      }
    }
}

TEST_CASE("a report is printed line by line") {
  const remat::port_report value{.path = "conv1 conv2d + relu",
                                 .shape = "float32 (8, 4, 4)",
                                 .is_gradient = false,
                                 .from = remat::core::none,
                                 .to = {1, 3},
                                 .bytes = 1024,
                                 .slots = 1};
  CHECK(text_of(value) ==
        "conv1 conv2d + relu                 float32 (8, 4, 4)           to stage 1, 3             1024 bytes, 1 slot");
  const remat::port_report gradient{
      .path = "a linear", .shape = "float32 (4)", .is_gradient = true, .from = 2, .to = {0}, .bytes = 32, .slots = 2};
  CHECK(text_of(gradient) ==
        "gradient of a linear                float32 (4)                 from stage 2, to stage 0  32 bytes, 2 slots");
  remat::rank_report r{.partition = 1,
                       .partitions = 4,
                       .microbatch = 8,
                       .microbatches = 16,
                       .activation_bytes = 1'234'567,
                       .live_bytes = 1'200'000,
                       .stages = {}};
  r.stages.push_back(
      {.stage = 1, .in_flight = 3, .kept_region = 4096, .passing_region = 64, .ports = {value}, .plan = {}});
  const std::string text = text_of(r);
  CHECK_THAT(text,
             Catch::Matchers::StartsWith("Rank 1 of a pipeline of 4, 16 micro-batches of 8\n"
                                         "  activations     1.23 MB  (1234567 bytes; alive at once: 1200000)\n"
                                         "Stage 1, micro-batches in flight: 3\n"
                                         "  regions         4096 bytes for each micro-batch in flight, 64 for all\n"
                                         "  port            conv1 conv2d + relu "));
}

TEST_CASE("the simulator counts the bytes that the ranks hold") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  for (const char* name : {"nested", "unet", "tied", "resnet"})
    for (const remat::pipeline_schedule& schedule : schedules()) {
      const networks::network& n = networks::named(name);
      if (schedule.stages(session().size()) > remat::fuse(n.lower()).operations.count()) continue;
      INFO(name << ", " << schedule.name());
      remat::distributed_network model(session(), n.lower(),
                                       options(n, 2 * static_cast<std::size_t>(session().size()), schedule));
      const remat::simulated_program s =
          model.simulate(remat::counted_seconds(model.lowered(), n.microbatch, 1e10), {.connection = {1e-6, 1e9}});
      const remat::rank_bytes& mine = s.ranks[static_cast<std::size_t>(model.partition())];
      CHECK(mine.activations == pipeline_of(model, n.microbatch).layout().bytes());
      CHECK(mine.weights == remat::internals::store(model).value_block().size());
      CHECK(mine.gradients == remat::internals::store(model).gradient_block().size());
      CHECK(s.step.seconds > 0);
      CHECK(s.step.ranks.count() == model.partitions());
    }
}

TEST_CASE("a profile is the same on all ranks, which measure apart, and cuts the model alike on all") {
  const networks::network& n = networks::named("resnet");
  remat::network one = networks::make(n, {.threads = 1});
  const remat::operation_costs costs = remat::profile(session(), one, n.microbatch, {.runs = 3});
  const remat::agreement all(session().world(), remat::mpi::wait_mode::sleeping);
  for (const remat::operation_cost& each : costs.operations) {
    INFO(each.path << " " << each.kind);
    CHECK(each.forward > 0);
    for (const remat::cost_field& field : remat::cost_fields)
      all.require_same("", std::bit_cast<std::uint64_t>(each.*field.member), each.path);
  }
  for (const double each : costs.per_byte) all.require_same("", std::bit_cast<std::uint64_t>(each), "a movement");
  remat::distributed_options how = options(n, 2 * static_cast<std::size_t>(session().size()), remat::schedule::gpipe);
  how.partition = remat::partition::balanced(costs);
  CHECK(remat::distributed_network(session(), n.lower(), how).schedule().stages == session().size());
  CHECK_THROWS_AS(remat::profile(session(), one, n.microbatch, {.runs = 0}), remat::collective_error);
}

}  // namespace reports_tests
