// SPDX-License-Identifier: MIT
// Replicas that read their own shares of a data set's batches train as those that are handed all of them.
#include "training.hpp"

#include <unit/temporary_folder.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace data_sets_tests {

namespace nn = remat::nn;
using net = remat::sequential<nn::embedding<256, 8>, nn::linear<8, 256>>;
using model = remat::distributed_model<net, remat::tensor<std::int32_t, 6>, nn::cross_entropy>;

remat::distributed_options options(int replicas, remat::inputs_from inputs) {
  return {.seed = 3,
          .threads = 1,
          .partitions = session().size() / replicas,
          .microbatches = 2,
          .inputs = inputs,
          .logs_partition = false};
}

std::vector<float> losses_of(model& m, const remat::token_windows& windows, remat::batch_options how) {
  remat::sgd optimizer{{.learning_rate = 0.1f}};
  std::vector<float> losses;
  for (how.epoch = 0; how.epoch < 2; ++how.epoch)
    for (auto [tokens, next] : windows.batches(24, how)) {
      losses.push_back(m.train_step(tokens, next));
      optimizer.step(m);
    }
  return losses;
}

TEST_CASE("replicas train on their shares of windows of a text as on whole batches") {
  const temporary_folder folder;  // each rank's own, with the same text
  std::string text;
  for (int i = 0; i < 400; ++i) text += static_cast<char>('a' + i * i % 23);
  const remat::token_windows windows(remat::token_file(folder.write("text", text)), {.length = 6});
  for (const int replicas : {1, 2, 3, 4}) {
    if (session().size() % replicas != 0 || session().size() / replicas > 2) continue;
    INFO(replicas << " replicas");
    model shared(session(), options(replicas, remat::inputs_from::every_rank));
    model own(session(), options(replicas, remat::inputs_from::each_replica));
    const remat::batch_options whole{.shuffle_seed = 5, .last = remat::last_batch::drop};
    remat::batch_options share = whole;
    share.replica = own.replica();
    share.replicas = own.replicas();
    const std::vector<float> expected = losses_of(shared, windows, whole), found = losses_of(own, windows, share);
    CHECK(expected.size() == 4);
    CHECK(same_bits(std::span<const float>(found), std::span<const float>(expected)));
  }
}

}  // namespace data_sets_tests
