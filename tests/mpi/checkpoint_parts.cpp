// SPDX-License-Identifier: MIT
// Checkpoints that an automatic partition cuts through: balance is kept, parts are recomputed on each rank, and bits,
// bytes and recomputations are those of one process and of the plan.
#include "training.hpp"

#include <remat/distributed.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace checkpoint_parts_tests {

namespace nn = remat::nn;
namespace strategy = remat::strategy;
using remat::checkpoint_at;

constexpr std::size_t width = 32, microbatches = 12, batch = 2 * microbatches;
using block = remat::sequential<nn::linear<width, width>, nn::tanh, nn::linear<width, width>, nn::tanh>;
using net = remat::sequential<remat::named<"seq", remat::repeat<12, block>>,
                              remat::named<"head", nn::linear<width, 10>>, nn::log_softmax>;
using residual_net = remat::sequential<remat::named<"seq", remat::repeat<5, remat::residual<block>>>,
                                       nn::linear<width, 10>, nn::log_softmax>;
using input = remat::tensor<float, width>;

std::vector<float> images() {
  std::vector<float> x(batch * width);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((i * 2654435761u >> 8) % 2048) / 1024 - 1;
  return x;
}
std::vector<std::int32_t> labels() {
  std::vector<std::int32_t> y(batch);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<std::int32_t>(i % 10);
  return y;
}

/// Keeps the last activation of every segment that it is asked for.
struct keeps_last {
  static constexpr std::string_view policy_name = "keeps_last";
  static constexpr remat::core::list<remat::decision> plan(std::span<const remat::operation_view> segment,
                                                           const remat::segment_context&) {
    remat::core::list<remat::decision> made(segment.size(), remat::decision::recompute);
    if (segment.size() > 1) made[segment.size() - 2] = remat::decision::keep;
    return made;
  }
};

const std::vector<std::vector<checkpoint_at>> straddling{
    {checkpoint_at("")},
    {checkpoint_at("", strategy::each{})},
    {checkpoint_at("", strategy::group<2>{})},
    {checkpoint_at("", remat::every<1>{})},
    {checkpoint_at("", strategy::each{}, remat::save_only<remat::kind<"linear">>{})},
    {checkpoint_at("", strategy::each{}, keeps_last{})},
    {checkpoint_at(""), checkpoint_at("seq", strategy::each{})},
    {checkpoint_at(""), checkpoint_at("seq", remat::every<2>{})}};

template <class Net>
void compare(const remat::partition::setting& partition) {
  using loss = nn::nll_loss;
  remat::model<Net, input, loss> one{
      {.seed = 5, .threads = 1, .checkpoints = remat::checkpoints::none(), .microbatches = microbatches}};
  const outcome expected = train_twice(one, images(), labels());
  for (std::size_t k = 0; k < straddling.size(); ++k)
    for (const remat::pipeline_schedule& schedule :
         {remat::pipeline_schedule(remat::schedule::one_f_one_b), remat::pipeline_schedule(remat::schedule::gpipe),
          remat::pipeline_schedule(remat::schedule::zero_bubble),
          remat::pipeline_schedule(remat::schedule::interleaved<2>)}) {
      INFO("checkpoints " << k << ", " << schedule.name() << ", " << partition.name);
      remat::distributed_model<Net, input, loss> model{session(),
                                                       {.seed = 5,
                                                        .threads = 1,
                                                        .checkpoints = straddling[k],
                                                        .microbatches = microbatches,
                                                        .schedule = schedule,
                                                        .partition = partition,
                                                        .partition_batch = batch / microbatches,
                                                        .logs_partition = false}};
      check_same(train_twice(model, images(), labels()), expected);
      const remat::pipeline& line = remat::internals::last_pipeline(model);
      CHECK(line.executed(remat::action_kind::recompute) == line.planned_count(remat::action_kind::recompute));
      // A rank whose residual blocks are all cut recomputes none of them. The fourth leaves out the last group, and the
      // fifth keeps all that these modules save.
      if (std::is_same_v<Net, net> && k != 4 && (k != 3 || model.partition() + 1 < model.partitions()))
        CHECK(line.executed(remat::action_kind::recompute) > 0);
      const remat::rank_audit found = audit(model, images(), labels());
      CHECK(found.planned_bytes == found.used_bytes);
      CHECK(found.uses_what_is_planned);
      CHECK(found.gives_the_same_bits);
      // Of two checkpoints, the inner one may have a block of its own divided, too.
      if (session().size() > 1) CHECK((model.split().count() == 1 || (k >= 6 && !model.split().empty())));
    }
}

TEST_CASE("a checkpointed sequential that a cut goes through gives the bits of one process, in the planned bytes") {
  compare<net>(remat::partition::balanced);
  compare<net>(remat::partition::balanced_memory);
}

TEST_CASE("so does one whose blocks cannot be divided") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  compare<residual_net>(remat::partition::uniform);
}

TEST_CASE("balance is kept, and the log says what is in parts") {
  for (const auto& checkpoints : {straddling[0], straddling[1]}) {
    std::ostringstream log;
    std::streambuf* const before = std::clog.rdbuf(log.rdbuf());
    remat::distributed_model<net, input, nn::nll_loss> model{
        session(), {.threads = 1, .checkpoints = checkpoints, .microbatches = microbatches, .partition_batch = 4}};
    std::clog.rdbuf(before);
    CHECK(model.ignored().empty());
    const std::size_t all = (24 * (width * width + width) + width * 10 + 10) * sizeof(float);
    const double mine = static_cast<double>(model.memory().weights);
    const double ranks = session().size();
    CHECK(mine >= 0.85 * static_cast<double>(all) / ranks);
    CHECK(mine <= 1.15 * static_cast<double>(all) / ranks);
    if (session().rank() != 0) {
      CHECK(log.str().empty());
      continue;
    }
    CHECK_THAT(log.str(), Catch::Contains("Partition assignments:\n"));
    CHECK_THAT(log.str(), Catch::Contains("\nstage 0: cost "));
    CHECK_THAT(log.str(),
               Catch::Contains("per micro-batch of 4 samples, " + std::to_string(session().size()) + " in flight\n"));
    if (session().size() == 2)
      CHECK_THAT(log.str(), Catch::Contains("checkpointing 'seq' in parts: seq.0 to seq.5 on stage 0, seq.6 to seq.11 "
                                            "on stage 1\n"));
    if (session().size() == 1) CHECK_THAT(log.str(), !Catch::Contains("in parts"));
  }
}

}  // namespace checkpoint_parts_tests
