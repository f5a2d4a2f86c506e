// SPDX-License-Identifier: MIT
/// The chain that is timed on several ranks, numbers for it, and what times it.
#pragma once

#include <remat/distributed.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace benchmarks {

namespace nn = remat::nn;

/// 16 equal blocks.
constexpr std::size_t width = 1024;
using net =
    remat::sequential<remat::named<"blocks", remat::repeat<16, remat::sequential<nn::linear<width, width>, nn::relu>>>>;
using input = remat::tensor<float, width>;

inline std::vector<float> numbers(std::size_t count) {
  std::vector<float> made(count);
  for (std::size_t i = 0; i < count; ++i) made[i] = static_cast<float>((i * 2654435761u >> 8) % 2048) / 1024 - 1;
  return made;
}

inline double seconds_of(const std::function<void()>& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// All ranks wait for each other, asleep.
inline void meet(const remat::mpi::session& mpi) {
  std::vector<std::uint64_t> all{0};
  remat::mpi::request r = mpi.world().largest(all);
  remat::mpi::wait_until(remat::mpi::wait_mode::sleeping, [&] { return r.is_done(); });
}

}  // namespace benchmarks
