// SPDX-License-Identifier: MIT
// Budgets that look at where a pipeline's stages wait: the bits of one process, the bytes of the plan, and what is
// computed again is computed before the gradient is there.
#include "training.hpp"

#include <catch2/catch.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace bubbles_tests {

namespace nn = remat::nn;
using remat::action_kind;
using block = remat::sequential<nn::linear<24, 24>, nn::tanh>;

/// A chain of equal blocks.
networks::network chain() {
  return {.name = "blocks",
          .lower = &networks::lowered<remat::repeat<32, block>, remat::tensor<float, 24>, nn::mse_loss>,
          .microbatch = 3};
}

/// Short stages before a long last one, so that they wait for it. The first one has a budget, the others keep
/// everything.
remat::distributed_options options(const remat::pipeline_schedule& schedule, std::size_t microbatches, double share) {
  const int stages = static_cast<int>(schedule.stages(session().size()));
  std::vector<int> firsts;
  for (int s = 1; s < stages; ++s) firsts.push_back(32 / (stages + 1) * s);
  std::vector<remat::checkpoint_on_stage> of_stages;
  for (int s = 0; s < stages; ++s)
    if (s == 0)
      of_stages.emplace_back(s, remat::budget{remat::share_of_save_all(stages > 1 ? share : 1)});
    else
      of_stages.emplace_back(s, remat::save_all{});
  return {.seed = 3,
          .threads = 1,
          .checkpoints = {remat::checkpoint_at("")},
          .stage_policies = of_stages,
          .microbatches = microbatches,
          .schedule = schedule,
          .partition = remat::partition::boundaries(firsts),
          .logs_partition = false};
}

/// Recomputations of a micro-batch before its stage waits for a gradient, and after.
std::pair<int, int> recomputations(const remat::plan& made) {
  std::pair<int, int> counts;
  bool has_gradient = false;
  for (const remat::action& a : made.steps.actions) {
    has_gradient = has_gradient || (a.kind == action_kind::receive && made.steps.buffers[a.outputs[0]].is_gradient);
    if (a.kind == action_kind::recompute) ++(has_gradient ? counts.second : counts.first);
  }
  return counts;
}

TEST_CASE("recomputation in the bubble gives the bits of one process in the planned bytes, under every schedule") {
  const networks::network n = chain();
  const auto ranks = static_cast<std::size_t>(session().size());
  std::size_t ahead = 0, trained = 0;
  for (const std::size_t microbatches : {ranks, 2 * ranks})
    for (const remat::pipeline_schedule& schedule :
         {remat::pipeline_schedule(remat::schedule::gpipe), remat::pipeline_schedule(remat::schedule::one_f_one_b),
          remat::pipeline_schedule(remat::schedule::zero_bubble),
          remat::pipeline_schedule(remat::schedule::interleaved<2>)}) {
      remat::network one = networks::make(
          n, {.seed = 3, .threads = 1, .checkpoints = remat::checkpoints::none(), .microbatches = microbatches});
      const outcome expected = train(n, one, n.microbatch * microbatches);
      for (const double share : {0.9, 0.8}) {
        INFO(schedule.name() << ", " << microbatches << " micro-batches, " << share);
        remat::distributed_options how = options(schedule, microbatches, share);
        remat::distributed_options everything = how;
        everything.checkpoints = remat::checkpoints::none();
        everything.stage_policies.clear();
        remat::distributed_network kept(session(), n.lower(), everything), model(session(), n.lower(), how);
        std::size_t is_refused = 0;  // a stage of three blocks has not much to give
        try {
          pipeline_of(model, n.microbatch);
        } catch (const remat::error& e) {
          CHECK_THAT(e.what(), Catch::Matchers::Contains("too small"));
          is_refused = 1;
        }
        if (largest_of_ranks(is_refused) > 0) continue;
        const std::size_t most = pipeline_of(kept, n.microbatch).layout().bytes();
        const outcome made = train(n, model, n.microbatch * microbatches);
        CHECK(same_bits(made.losses, expected.losses));
        CHECK(are_same(made.parameters, expected.parameters));
        const remat::pipeline& line = remat::internals::last_pipeline(model);
        CHECK(line.executed(action_kind::recompute) == line.planned_count(action_kind::recompute));
        const auto data = networks::random_batch(n, model.lowered(), n.microbatch * microbatches, 7);
        CHECK(networks::with(data, [&](const auto&... tensors) { return audit(model, tensors...); }).holds());
        if (line.table().stages > 1 && line.stages() == 1 && line.stage(0) == 0)
          CHECK(static_cast<double>(line.layout().bytes()) <= share * static_cast<double>(most));
        for (std::size_t local = 0; local < line.stages(); ++local)
          for (int m = 0; m < static_cast<int>(microbatches); ++m)
            if (line.stage(local) + 1 < line.table().stages)
              ahead += static_cast<std::size_t>(recomputations(line.planned(local, m)).first);
        ++trained;
      }
    }
  CHECK(trained >= 8);
  if (ranks > 1) CHECK(largest_of_ranks(ahead) > 0);
}

TEST_CASE("the ranks of a pipeline run what the simulator says of it") {
  const networks::network n = chain();
  const std::size_t microbatches = 2 * static_cast<std::size_t>(session().size());
  remat::distributed_network model(session(), n.lower(), options(remat::schedule::one_f_one_b, microbatches, 0.8));
  const remat::pipeline& line = pipeline_of(model, n.microbatch);
  const remat::simulated_program s = model.simulate(remat::counted_seconds(model.lowered(), n.microbatch, 1e9));
  for (std::size_t local = 0; local < line.stages(); ++local) {
    const int stage = line.stage(local);
    for (int m = 0; m < static_cast<int>(microbatches); ++m) {
      const auto [ahead, later] = recomputations(line.planned(local, m));
      CHECK((s.given.of(stage, m).recompute > 0) == (ahead > 0));
    }
  }
  CHECK(s.ranks[static_cast<std::size_t>(model.partition())].activations == line.layout().bytes());
}

TEST_CASE("larger micro-batches, and updates within the step, run the same choices") {
  const networks::network n = chain();
  const std::size_t microbatches = 2 * static_cast<std::size_t>(session().size());
  const std::size_t samples = n.microbatch * microbatches + 1;
  const remat::distributed_options how = options(remat::schedule::one_f_one_b, microbatches, 0.8);
  remat::distributed_options alone = how;
  alone.recomputes_in_bubbles = false;
  remat::distributed_network a(session(), n.lower(), how), b(session(), n.lower(), alone);
  const outcome made = train(n, a, samples), expected = train(n, b, samples);
  CHECK(same_bits(made.losses, expected.losses));
  CHECK(are_same(made.parameters, expected.parameters));
  const auto data = networks::random_batch(n, a.lowered(), samples, 7);
  CHECK(networks::with(data, [&](const auto&... tensors) { return audit(a, tensors...); }).holds());
  remat::sgd first{{.learning_rate = 0.1f}}, second{{.learning_rate = 0.1f}};
  networks::with(data, [&](const auto&... tensors) { return a.train_step(tensors..., first); });
  networks::with(data, [&](const auto&... tensors) { return b.train_step(tensors..., second); });
  const auto mine = a.parameters(), others = b.parameters();
  for (std::size_t i = 0; i < mine.size(); ++i) CHECK(same_bits(mine[i].values, others[i].values));
}

}  // namespace bubbles_tests
