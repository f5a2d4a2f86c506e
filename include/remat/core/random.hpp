// SPDX-License-Identifier: MIT
/// Random numbers: Philox (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3") from Random123.
///
/// A number is a function of its key and counter and nothing else: no generator has a state, so that a recomputation
/// draws what the first pass drew, on any rank and in any order.
#pragma once

#include <remat/core/compilation.hpp>

#if REMAT_HAS_DEFINITIONS
#include <Random123/philox.h>
#endif

#include <array>
#include <cstddef>
#include <cstdint>

namespace remat {

inline namespace REMAT_COMPILATION {

/// A stream of random numbers: `(seed; a, b, c)` name the stream, an index the number in it.
class random_stream {
 public:
  random_stream() = default;
  random_stream(std::uint64_t seed, std::uint32_t a, std::uint32_t b = 0, std::uint32_t c = 0)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}, a_(a), b_(b), c_(c) {}

  /// Numbers 4 * block to 4 * block + 3, each of 32 random bits. A stream holds 2^34 numbers.
  std::array<std::uint32_t, 4> block(std::size_t block) const;

  /// Uniform in [0, 1), with 24 bits.
  static float uniform(std::uint32_t bits) {
    return static_cast<float>(static_cast<std::int32_t>(bits >> 8)) * 0x1p-24f;  // signed: vectors have no other
  }

 private:
  std::array<std::uint32_t, 2> key_{};
  std::uint32_t a_ = 0, b_ = 0, c_ = 0;
};

}  // namespace REMAT_COMPILATION

#if REMAT_HAS_DEFINITIONS

REMAT_DEFINED std::array<std::uint32_t, 4> random_stream::block(std::size_t block) const {
  const auto drawn = r123::Philox4x32()({{static_cast<std::uint32_t>(block), a_, b_, c_}},
                                        r123::Philox4x32::key_type{{key_[0], key_[1]}});
  return {drawn[0], drawn[1], drawn[2], drawn[3]};
}

#endif

}  // namespace remat
