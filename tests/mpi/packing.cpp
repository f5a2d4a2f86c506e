// SPDX-License-Identifier: MIT
// Pipelines keep packed weights for all micro-batches of a stage, or pack before each use: the bits are those of one
// process, also where micro-batches have two sizes and the last one goes without checkpoints.
#include "training.hpp"

#include <catch2/catch.hpp>

#include <cstddef>
#include <vector>

namespace packing_tests {

using remat::packing, remat::checkpointing;

TEST_CASE("a pipeline gives the bits of one process, whenever it packs weights") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  std::size_t kept_bytes = 0;
  for (const char* name : {"resnet", "unet"}) {
    const networks::network& n = networks::named(name);
    const std::size_t parts = 4, samples = parts * n.microbatch + 1;
    const std::vector<remat::checkpoint_at> checkpoints{remat::checkpoint_at(n.chain, remat::strategy::each{})};
    remat::network one =
        networks::make(n, {.seed = 3, .threads = 1, .checkpoints = remat::checkpoints::none(), .microbatches = parts});
    const outcome expected = train(n, one, samples);
    for (const remat::pipeline_schedule& schedule : std::vector<remat::pipeline_schedule>{
             remat::schedule::gpipe, remat::schedule::one_f_one_b, remat::schedule::zero_bubble})
      for (const checkpointing which : {checkpointing::always, checkpointing::except_last})
        for (const packing how : {packing::before_each_use, packing::kept}) {
          INFO(name << ", " << schedule.name() << ", packing " << static_cast<int>(how) << ", checkpointing "
                    << static_cast<int>(which));
          remat::distributed_network model(session(), n.lower(),
                                           {.seed = 3,
                                            .threads = 1,
                                            .checkpoints = checkpoints,
                                            .frozen = n.frozen,
                                            .microbatches = parts,
                                            .packing = how,
                                            .schedule = schedule,
                                            .checkpointing = which,
                                            .logs_partition = false});
          const outcome found = train(n, model, samples);
          check_same(found, expected);
          const remat::pipeline& line = remat::internals::last_pipeline(model);
          CHECK(line.kept_packed_bytes() <= line.needed().packed);
          CHECK((how == packing::kept || line.kept_packed_bytes() == 0));
          kept_bytes += line.kept_packed_bytes();
          // Each micro-batch packs all, or only the first of each size does.
          const std::size_t planned = line.planned_count(remat::action_kind::pack),
                            executed = line.executed(remat::action_kind::pack);
          CHECK((line.kept_packed_bytes() > 0 ? executed < planned : executed == planned));
        }
  }
  CHECK(largest_of_ranks(kept_bytes) > 0);
}

}  // namespace packing_tests
