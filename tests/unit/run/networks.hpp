// SPDX-License-Identifier: MIT
// Networks that several tests run, and data for them.
#pragma once

#include <remat/remat.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace networks {

namespace nn = remat::nn;

/// Example 01, with dropout, as training it longer would want.
using image_classifier = remat::sequential<remat::named<"conv1", nn::conv2d<1, 32, 3>>, nn::relu,
                                           remat::named<"conv2", nn::conv2d<32, 64, 3>>, nn::relu, nn::max_pool2d<2>,
                                           nn::dropout<std::ratio<1, 4>>, nn::flatten,
                                           remat::checkpoint<remat::named<"fc1", nn::linear<9216, 128>>>, nn::relu,
                                           nn::dropout<>, nn::linear<128, 10>, nn::log_softmax>;

/// Example 02: scores for every pixel.
using pixel_classifier = remat::sequential<
    remat::named<"seq", remat::sequential<nn::conv2d<1, 20, 5>, nn::relu, nn::conv2d<20, 64, 5>, nn::relu>>,
    nn::log_softmax>;

/// Blocks within blocks, for nested checkpoints; relus that nothing fuses; a strided convolution.
struct mixing : remat::module {
  using body = remat::sequential<nn::conv2d<8, 8, 3, 1, 1>, nn::dropout<>, nn::conv2d<8, 8, 3, 1, 1>, nn::relu>;
};
using nested = remat::sequential<
    remat::named<"stem", nn::conv2d<3, 8, 3, 2, 1>>, nn::max_pool2d<3, 2, 1>, nn::relu,
    remat::named<"middle", remat::sequential<remat::named<"a", mixing>,
                                             remat::named<"b", remat::sequential<mixing, nn::dropout<>, mixing>>>>,
    nn::flatten, nn::linear<128, 7, nn::bias::without>, nn::log_softmax>;

struct sample_batch {
  std::vector<float> inputs;
  std::vector<std::int32_t> targets;
};

/// Inputs in [-1, 1) and classes, from a seed.
inline sample_batch random_batch(std::size_t batch, std::size_t inputs, std::size_t targets, int classes,
                                 std::uint64_t seed) {
  sample_batch made{std::vector<float>(batch * inputs), std::vector<std::int32_t>(batch * targets)};
  const remat::random_stream stream(seed, 77);
  for (std::size_t i = 0; i < made.inputs.size(); ++i)
    made.inputs[i] = 2 * remat::random_stream::uniform(stream.block(i)[0]) - 1;
  for (std::size_t i = 0; i < made.targets.size(); ++i)
    made.targets[i] = static_cast<std::int32_t>(stream.block(i)[1] % static_cast<std::uint32_t>(classes));
  return made;
}

/// A way to checkpoint: its name, and the values.
struct setting {
  std::string name;
  std::vector<remat::checkpoint_at> checkpoints;
  bool recomputes;  ///< whether it should recompute anything
};

}  // namespace networks
