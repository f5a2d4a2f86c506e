// SPDX-License-Identifier: MIT
/// The order in which an epoch visits the samples of a data set: a random permutation, given by a seed and an epoch.
///
/// The order depends on count, seed and epoch only, not on the platform or the standard library: a Fisher-Yates shuffle
/// (every permutation is equally likely) whose draws come from Philox and are free of bias.
#pragma once

#include <remat/core/random.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace remat {

namespace detail {

/// Uniform whole numbers below a bound that changes from draw to draw.
class bounded_draws {
 public:
  bounded_draws(std::uint64_t seed, std::uint64_t epoch)
      : stream_(seed, shuffling, static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(epoch >> 32)) {}

  /// Uniform in [0, bound). Of the 2^64 words, the lowest 2^64 mod bound are drawn again, so that what is left is a
  /// whole multiple of `bound`.
  std::uint64_t below(std::uint64_t bound) {
    const std::uint64_t uneven = (0 - bound) % bound;
    std::uint64_t word = next();
    while (word < uneven) word = next();
    return word % bound;
  }

 private:
  static constexpr std::uint32_t shuffling = 0x73687566;  // "shuf": no other stream of the same seed has this name

  std::uint64_t next() {
    if (used_ == 4) {
      block_ = stream_.block(blocks_++);
      used_ = 0;
    }
    const std::uint64_t low = block_[used_], high = block_[used_ + 1];
    used_ += 2;
    return high << 32 | low;
  }

  random_stream stream_;
  std::array<std::uint32_t, 4> block_{};
  std::size_t blocks_ = 0;
  std::size_t used_ = 4;
};

}  // namespace detail

/// A permutation of 0 ... count - 1.
inline std::vector<std::size_t> shuffled_order(std::size_t count, std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::size_t> order(count);
  for (std::size_t i = 0; i < count; ++i) order[i] = i;
  detail::bounded_draws draws{seed, epoch};
  for (std::size_t left = count; left > 1; --left)
    std::swap(order[left - 1], order[static_cast<std::size_t>(draws.below(left))]);
  return order;
}

}  // namespace remat
