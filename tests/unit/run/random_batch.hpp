// SPDX-License-Identifier: MIT
// Made-up data for networks of one input and one target.
#pragma once

#include <remat/remat.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace networks {

struct sample_batch {
  std::vector<float> inputs;
  std::vector<std::int32_t> targets;
};

/// Inputs in [-1, 1) and classes, from a seed.
inline sample_batch random_batch(std::size_t samples, std::size_t inputs, std::size_t targets, int classes,
                                 std::uint64_t seed) {
  sample_batch made{std::vector<float>(samples * inputs), std::vector<std::int32_t>(samples * targets)};
  const remat::random_stream stream(seed, 77);
  for (std::size_t i = 0; i < made.inputs.size(); ++i)
    made.inputs[i] = 2 * remat::random_stream::uniform(stream.block(i)[0]) - 1;
  for (std::size_t i = 0; i < made.targets.size(); ++i)
    made.targets[i] = static_cast<std::int32_t>(stream.block(i)[1] % static_cast<std::uint32_t>(classes));
  return made;
}

}  // namespace networks
