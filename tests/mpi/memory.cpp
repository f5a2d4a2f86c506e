// SPDX-License-Identifier: MIT
// Memory on every rank: what is used is what is planned, and a rank holds no parameter of another's stage.
#include "same_bits.hpp"
#include "training.hpp"

#include <networks/policies.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <vector>

namespace memory_tests {

remat::distributed_options options(remat::pipeline_schedule schedule, std::size_t microbatches,
                                   std::vector<remat::checkpoint_at> checkpoints = {}) {
  return {.seed = 3,
          .threads = 1,
          .checkpoints = std::move(checkpoints),
          .microbatches = microbatches,
          .schedule = std::move(schedule),
          .logs_partition = false};
}

TEST_CASE("a rank uses exactly the bytes of its layout") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const std::size_t ranks = static_cast<std::size_t>(session().size());
  for (const char* name : {"example_01", "unet", "tied", "resnet", "nested", "two_inputs", "branches"}) {
    const networks::network& n = networks::named(name);
    for (const remat::pipeline_schedule& schedule :
         {remat::pipeline_schedule(remat::schedule::gpipe), remat::pipeline_schedule(remat::schedule::one_f_one_b),
          remat::pipeline_schedule(remat::schedule::zero_bubble),
          remat::pipeline_schedule(remat::schedule::interleaved<2>)})
      for (const char* policy : {"none", "each"}) {
        if (schedule.stages(session().size()) > remat::fuse(n.lower()).operations.count()) continue;
        INFO(name << ", " << schedule.name() << ", " << policy);
        const std::size_t microbatches = 2 * ranks;
        std::vector<remat::checkpoint_at> checkpoints;
        if (std::string_view(policy) == "each") checkpoints.emplace_back(n.chain, remat::strategy::each{});
        remat::distributed_options how = options(schedule, microbatches, checkpoints);
        how.frozen = n.frozen;
        remat::distributed_network model(session(), n.lower(), how);
        const auto data = networks::random_batch(n, model.lowered(), n.microbatch * microbatches, 7);
        const remat::rank_audit found =
            networks::with(data, [&](const auto&... tensors) { return audit(model, tensors...); });
        CHECK(found.planned_bytes == found.used_bytes);
        CHECK(found.uses_what_is_planned);
        CHECK(found.guards_intact);
        CHECK(found.gives_the_same_bits);
        const remat::pipeline& line = remat::internals::last_pipeline(model);
        INFO("placed " << line.layout().bytes() << ", alive at once " << line.layout().live_bytes());
        CHECK(static_cast<double>(line.layout().bytes()) <= 1.1 * static_cast<double>(line.layout().live_bytes()));
      }
  }
}

TEST_CASE("under a budget, what a rank lays out is within the bytes, its messages included") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const std::size_t microbatches = session().size() == 3 ? 6 : 4;
  int within = 0;
  for (const char* name : {"example_01", "gpt", "unet"}) {
    const networks::network& n = networks::named(name);
    for (const remat::pipeline_schedule& schedule :
         {remat::pipeline_schedule(remat::schedule::gpipe), remat::pipeline_schedule(remat::schedule::one_f_one_b),
          remat::pipeline_schedule(remat::schedule::zero_bubble),
          remat::pipeline_schedule(remat::schedule::interleaved<2>)}) {
      if (schedule.stages(session().size()) > remat::fuse(n.lower()).operations.count()) continue;
      remat::distributed_network kept(session(), n.lower(), options(schedule, microbatches));
      const std::size_t most = pipeline_of(kept, n.microbatch).layout().bytes();
      for (const std::size_t tenths : {9u, 8u, 7u, 5u}) {
        const std::size_t bytes = largest_of_ranks(most * tenths / 10);
        INFO(name << ", " << schedule.name() << ", " << bytes << " of " << most << " bytes");
        remat::distributed_network model(
            session(), n.lower(), options(schedule, microbatches, {remat::checkpoint_at("", remat::budget{bytes})}));
        try {
          const remat::pipeline& line = pipeline_of(model, n.microbatch);
          CHECK(line.layout().bytes() <= bytes);
          ++within;
        } catch (const remat::error& e) {
          CHECK_THAT(e.what(), Catch::Matchers::Contains("too small"));
        }
      }
    }
  }
  CHECK(within >= 9);
}

TEST_CASE("under a budget of the whole rank, a step takes no more than it, to the bits of one without") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const std::size_t microbatches = session().size() == 3 ? 6 : 4;
  int recomputed = 0;
  for (const char* name : {"gpt", "llama", "unet"}) {
    const networks::network& n = networks::named(name);
    for (const remat::pipeline_schedule& schedule :
         {remat::pipeline_schedule(remat::schedule::gpipe), remat::pipeline_schedule(remat::schedule::one_f_one_b),
          remat::pipeline_schedule(remat::schedule::interleaved<2>)}) {
      if (schedule.stages(session().size()) > remat::fuse(n.lower()).operations.count()) continue;
      remat::distributed_network kept(session(), n.lower(), options(schedule, microbatches));
      const auto data = networks::random_batch(n, kept.lowered(), n.microbatch * microbatches, 7);
      const float expected = networks::with(data, [&](const auto&... tensors) { return kept.train_step(tensors...); });
      const remat::memory_report all = kept.memory();
      const std::size_t bytes = largest_of_ranks(all.explained() - all.results - all.activations / 8);
      remat::distributed_options how =
          options(schedule, microbatches, {remat::checkpoint_at("", remat::budget{remat::of_rank(bytes)})});
      how.other_bytes = 64;
      INFO(name << ", " << schedule.name() << ", " << bytes << " bytes");
      remat::distributed_network model(session(), n.lower(), how);
      std::size_t is_refused = 0;
      try {
        pipeline_of(model, n.microbatch);
      } catch (const remat::error& e) {
        CHECK_THAT(e.what(), Catch::Matchers::Contains("of the whole rank"));
        is_refused = 1;
      }
      if (largest_of_ranks(is_refused) > 0) continue;
      const float found = networks::with(data, [&](const auto&... tensors) { return model.train_step(tensors...); });
      CHECK(same_bits(found, expected));
      const remat::memory_report held = model.memory();
      CHECK(held.explained() - held.results + how.other_bytes <= bytes);
      recomputed += remat::internals::last_pipeline(model).planned_count(remat::action_kind::recompute) > 0 ? 1 : 0;
    }
  }
  CHECK(largest_of_ranks(static_cast<std::size_t>(recomputed)) >= 1);
}

TEST_CASE("one_f_one_b holds min(p - s, m) kept regions on stage s, and its slots for messages") {
  const networks::network& n = networks::named("nested");
  for (const std::size_t microbatches : {1u, 2u, 3u, 8u}) {
    remat::distributed_network model(session(), n.lower(), options(remat::schedule::one_f_one_b, microbatches));
    const remat::pipeline& line = pipeline_of(model, n.microbatch);
    const remat::plan& made = line.planned(0, 0);
    const std::size_t kept = std::min(static_cast<std::size_t>(model.partitions() - model.partition()), microbatches);
    const remat::message_timetable times =
        message_times(line.table(), remat::nominal_clock(line.table()), between_stages(line.messages()));
    std::size_t bytes = kept * remat::aligned(made.activation_bytes) + made.passing_bytes;
    for (const remat::stage_port& each : made.ports) {
      std::size_t slots = each.is_gradient ? 1 : kept;
      for (int i = 0; i < line.messages().count(); ++i) {
        const remat::pipeline_message& message = line.messages()[i];
        if (message.tensor != each.tensor || message.is_gradient != each.is_gradient) continue;
        if (message.to == model.partition()) slots += static_cast<std::size_t>(receive_slots(times, i));
        if (message.from == model.partition()) slots += static_cast<std::size_t>(send_slots(times, i));
      }
      bytes += slots * remat::aligned(model.lowered().tensors[each.tensor].bytes(n.microbatch));
    }
    INFO(microbatches << " micro-batches, stage " << model.partition() << ": " << kept << " regions of "
                      << made.activation_bytes << " bytes");
    CHECK(line.layout().live_bytes() >= kept * remat::aligned(made.activation_bytes));
    CHECK(line.layout().live_bytes() <= bytes);
  }
}

TEST_CASE(
    "zero_bubble holds what one_f_one_b does, and what the gradients of parameters read for s + 1 micro-batches") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  std::size_t larger = 0;
  for (const char* name : {"nested", "unet", "resnet"})
    for (const bool is_checked : {false, true})
      for (const std::size_t microbatches : {1u, 2u, 3u, 8u}) {
        const networks::network& n = networks::named(name);
        std::vector<remat::checkpoint_at> checkpoints;
        if (is_checked) checkpoints.emplace_back(n.chain, remat::strategy::each{});
        remat::distributed_network plain(session(), n.lower(),
                                         options(remat::schedule::one_f_one_b, microbatches, checkpoints)),
            halved(session(), n.lower(), options(remat::schedule::zero_bubble, microbatches, checkpoints));
        const remat::rank_layout &with = pipeline_of(halved, n.microbatch).layout(),
                                 &without = pipeline_of(plain, n.microbatch).layout();
        const remat::plan& made = pipeline_of(halved, n.microbatch).planned(0, 0);
        INFO(name << ", checkpoints: " << is_checked << ", " << microbatches << " micro-batches, stage "
                  << halved.partition());
        std::size_t messages = 0, postponed = 0;  // gradients come sooner: a message may wait in a slot more
        for (int k = 0; k < made.ports.count(); ++k)
          messages += remat::aligned(made.regions[made.region_of_port(k)].bytes);
        for (const remat::buffer& b : made.steps.buffers)
          if (b.allocation == &b - made.steps.buffers.data() &&
              made.steps.section_of(b.last) == remat::parameters_section)
            postponed += remat::aligned(b.bytes);
        const std::size_t most = std::min(static_cast<std::size_t>(halved.partition()) + 1, microbatches);
        CHECK((postponed > 0) == (halved.partition() > 0));
        CHECK(with.live_bytes() <= without.live_bytes() + most * postponed + messages);
        larger += with.live_bytes() > without.live_bytes() ? 1u : 0u;
      }
  CHECK((largest_of_ranks(larger) > 0) == (session().size() > 1));
}

TEST_CASE("a rank holds the parameters of its own stages alone") {
  const networks::network& n = networks::named("nested");
  remat::distributed_network model(session(), n.lower(), options(remat::schedule::one_f_one_b, 2));
  std::size_t bytes = 0;
  std::set<std::string> mine;
  for (const remat::operation& o : model.lowered().operations) {
    if (o.stage != model.partition()) continue;
    for (int k = 0; k < o.parameters; ++k) {
      const remat::parameter_slot& slot = model.lowered().parameters[o.first_parameter + k];
      mine.insert(parameter_path(model.lowered(), slot));
      bytes += remat::aligned(slot.declared.elements() * sizeof(float));
    }
  }
  std::set<std::string> held;
  for (const remat::parameter_view& p : model.parameters()) held.insert(p.name);
  CHECK(held == mine);
  CHECK(remat::internals::store(model).value_block().size() == bytes);
  CHECK(remat::internals::store(model).gradient_block().size() == bytes);
}

}  // namespace memory_tests
