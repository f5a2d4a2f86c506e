// SPDX-License-Identifier: MIT
// The recipe of docs/training.md: a run that is stopped and goes on from a file has the bits of one that was not.
#include "same_bits.hpp"
#include "temporary_folder.hpp"

#include <remat/remat.hpp>
#include <remat/weights.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace resuming_tests {

namespace nn = remat::nn;
using net = remat::sequential<nn::linear<4, 16>, nn::tanh, nn::dropout<0.2>, nn::linear<16, 3>>;
using model = remat::model<net, remat::tensor<float, 4>, nn::cross_entropy>;

/// Trains three epochs, or until this number of steps is taken; goes on from the file where there is one, and writes it
/// after each step. The weights at the end, or none.
std::vector<float> train(remat::parameter_updater& optimizer, std::size_t steps, const std::filesystem::path& file) {
  std::vector<float> x(4 * 300);
  std::vector<std::int32_t> y(300);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<std::int32_t>(i * 7 % 3);
  const auto data = remat::in_memory(x, y);
  model m{{.seed = 3, .threads = 1}};

  std::uint64_t epoch = 0, batch = 0;
  const auto state = [&] {
    auto all = m.tensors(optimizer);
    all.add_counter("epoch", epoch);
    all.add_counter("batch", batch);
    return all;
  };
  if (std::filesystem::exists(file)) remat::read_tensors(state(), file);
  std::size_t done = 0;
  for (; epoch < 3; ++epoch, batch = 0) {
    auto batches = data.batches(64, {.shuffle_seed = 1, .epoch = epoch, .first = batch});
    for (const auto& [inputs, targets] : batches) {
      m.train_step(inputs, targets, optimizer);
      batch = batches.position();
      remat::write_tensors(state(), file);
      if (++done == steps) return {};
    }
  }
  std::vector<float> weights;
  for (const remat::parameter_view& p : m.parameters()) weights.insert(weights.end(), p.values.begin(), p.values.end());
  return weights;
}

TEST_CASE("a run that is stopped, also where an epoch ends, has the bits of one that was not", "[io][weights]") {
  const auto check = [](const auto& make) {
    const temporary_folder folder;
    auto whole = make();
    const std::vector<float> expected = train(whole, 1'000, folder.path() / "whole");
    REQUIRE(!expected.empty());
    std::vector<float> found;
    for (const std::size_t steps : {3, 1, 1, 2, 5, 1'000}) {  // an epoch has 5 steps
      REQUIRE(found.empty());
      auto part = make();
      found = train(part, steps, folder.path() / "parts");
    }
    CHECK(same_bits(found, expected));
  };
  check([] { return remat::adam{{.learning_rate = 0.01f}}; });
  check([] { return remat::sgd{{.learning_rate = 0.1f, .momentum = 0.9f}}; });
}

}  // namespace resuming_tests
