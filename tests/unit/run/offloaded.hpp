// SPDX-License-Identifier: MIT
/// A model whose activations wait in a file, and what must be the same bits.
#pragma once

#include <remat/remat.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace offloaded {

namespace nn = remat::nn;

// A batch norm has states, and a dropout numbers of its own in each step.
using block = remat::sequential<nn::conv2d<4, 4, 3, nn::window{.padding = 1}>, nn::batch_norm2d<4>, nn::relu>;
using net = remat::sequential<remat::named<"h", remat::repeat<8, block>>, nn::flatten, nn::dropout<0.25>,
                              remat::named<"head", nn::linear<4 * 16 * 16, 8>>>;
using input = remat::image<float, 4, 16, 16>;
using model = remat::model<net, input, nn::cross_entropy>;

constexpr std::size_t batch = 16;

struct data {
  std::vector<float> x = std::vector<float>(batch * 4 * 16 * 16);
  std::vector<std::int32_t> y = std::vector<std::int32_t>(batch);

  explicit data(std::uint32_t seed = 1) {
    for (float& each : x) each = static_cast<float>((seed = seed * 1664525 + 1013904223) >> 8) / 0x1p23f - 1;
    for (std::int32_t& each : y) each = static_cast<std::int32_t>((seed = seed * 1664525 + 1013904223) >> 29);
  }
};

/// All that a model remembers, and its gradients.
inline std::vector<std::byte> bits_of(remat::network& m) {
  std::vector<std::byte> all;
  for (const std::span<std::byte> each :
       {remat::internals::store(m).value_block(), remat::internals::store(m).state_block()})
    all.insert(all.end(), each.begin(), each.end());
  return all;
}
inline remat::checkpoints everything(remat::offload<remat::file> how = {}) {
  how.window.least_bytes = 1;
  return {remat::checkpoint_at("", remat::save_all{}, how)};
}

}  // namespace offloaded
