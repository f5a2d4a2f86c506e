// SPDX-License-Identifier: MIT
// Prebuilt models over ranks: the bits of one process without a checkpoint, whatever the stages, schedules and
// strategies.
#include <remat/distributed.hpp>

#include "training.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace models_tests {

using namespace remat::models;
namespace nn = remat::nn;
using tokens = remat::tensor<std::int32_t, 7>;
using networks::lowered;

constexpr gpt2_config small_gpt2{.vocabulary = 13, .positions = 9, .width = 8, .heads = 2, .blocks = 3};
constexpr llama_config small_llama{
    .vocabulary = 13, .width = 8, .heads = 2, .key_value_heads = 1, .blocks = 3, .inner = 12, .tied = true};
constexpr bert_config small_bert{
    .vocabulary = 13, .positions = 9, .types = 13, .width = 8, .heads = 2, .blocks = 3, .inner = 12};
constexpr vit_config small_vit{.image = 6,
                               .patch = 2,
                               .channels = 1,
                               .width = 8,
                               .heads = 2,
                               .blocks = 3,
                               .inner = 12,
                               .classes = 5,
                               .dropout = 0.1};
constexpr unet_config small_unet{.channels = 2, .classes = 3, .width = 4, .depth = 2};

std::vector<networks::network> all() {
  using bert = bert_for_sequence_classification<small_bert, 5>;
  return {{.name = "gpt2",
           .lower = &lowered<gpt2_without_head<small_gpt2>, tokens, gpt2_loss<small_gpt2>>,
           .microbatch = 1,
           .vocabulary = 13,
           .classes = 13,
           .chain = "transformer.h"},
          {.name = "llama",
           .lower = &lowered<llama<small_llama>, tokens, nn::cross_entropy>,
           .microbatch = 1,
           .vocabulary = 13,
           .classes = 13,
           .chain = "model.layers"},
          {.name = "bert",
           .lower = &lowered<bert, bert_input<7>, nn::cross_entropy>,
           .microbatch = 2,
           .vocabulary = 13,
           .classes = 5,
           .chain = "bert.encoder.layer"},
          {.name = "vit",
           .lower = &lowered<torchvision_vit<small_vit>, remat::image<float, 1, 6, 6>, nn::cross_entropy>,
           .microbatch = 2,
           .classes = 5,
           .chain = "encoder.layers"},
          {.name = "unet",
           .lower = &lowered<unet<small_unet>, remat::image<float, 2, 8, 8>, nn::cross_entropy>,
           .microbatch = 2,
           .classes = 3,
           .chain = ""}};
}

/// The policies that each model is trained under.
std::vector<remat::checkpoints> policies(const networks::network& n) {
  using remat::checkpoint_at;
  if (n.chain.empty()) return {remat::checkpoints::none(), {checkpoint_at("down*"), checkpoint_at("mix1")}};
  return {remat::checkpoints::none(),
          {checkpoint_at(n.chain, remat::strategy::each{})},
          {checkpoint_at(n.chain)},
          {checkpoint_at(n.chain + ".*"), checkpoint_at(n.chain, remat::strategy::group<2>{})}};
}

TEST_CASE("prebuilt models have the bits of one process without a checkpoint") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  constexpr std::size_t microbatches = 4;
  for (const networks::network& n : all()) {
    const std::size_t samples = n.microbatch * microbatches;
    remat::network alone(n.lower(), {.seed = 3, .threads = 1, .microbatches = microbatches});
    const outcome expected = train(n, alone, samples);
    for (const remat::checkpoints& checkpoints : policies(n))
      for (const remat::schedule_setting& schedule : {remat::schedule::one_f_one_b, remat::schedule::zero_bubble}) {
        INFO(n.name << " on " << session().size() << " ranks, " << checkpoints.size() << " checkpoints");
        remat::distributed_network model(session(), n.lower(),
                                         {.seed = 3,
                                          .threads = 1,
                                          .checkpoints = checkpoints,
                                          .microbatches = microbatches,
                                          .schedule = schedule,
                                          .logs_partition = false});
        const outcome found = train(n, model, samples);
        check_same(found, expected);
      }
  }
}

// None of these models is a sequential: a cut goes through the module that has the budget.
TEST_CASE("a budget of a whole prebuilt model is one of each stage") {
  constexpr std::size_t microbatches = 12;  // of one to four ranks under interleaved
  const std::vector<remat::schedule_setting> schedules{remat::schedule::one_f_one_b, remat::schedule::interleaved<2>};
  std::size_t tried = 0;
  for (const networks::network& n : all()) {
    const std::size_t samples = n.microbatch * microbatches;
    remat::network alone(n.lower(), {.seed = 3, .threads = 1, .microbatches = microbatches});
    const outcome expected = train(n, alone, samples);
    const remat::schedule_setting& schedule = schedules[tried++ % schedules.size()];
    INFO(n.name << " on " << session().size() << " ranks");
    remat::distributed_options how{.seed = 3,
                                   .threads = 1,
                                   .checkpoints = {remat::checkpoint_at("", remat::budget{std::size_t{64}})},
                                   .microbatches = microbatches,
                                   .schedule = schedule,
                                   .logs_partition = false};
    how.logs_partition = n.name == "gpt2";  // a log that the budget is too small for refuses nothing
    std::size_t smallest = 0;
    try {
      remat::distributed_network refused(session(), n.lower(), how);
      train(n, refused, samples);
    } catch (const remat::collective_budget_error& e) {
      smallest = e.smallest();
    }
    CHECK(smallest > 64);
    if (largest_of_ranks(smallest > 64 ? 0 : 1) > 0) continue;
    how.checkpoints = {remat::checkpoint_at("", remat::budget{smallest})};
    remat::distributed_network model(session(), n.lower(), how);
    CHECK(model.ignored().empty());
    const outcome found = train(n, model, samples);
    CHECK(same_bits(found.losses, expected.losses));
    CHECK(are_same(found.parameters, expected.parameters));
    CHECK(remat::internals::last_pipeline(model).layout().bytes() <= smallest);
  }
}

}  // namespace models_tests
