// SPDX-License-Identifier: MIT
/// A hash of a batch as its user hands it over: XXH3, 64 bits, of the bytes of all its tensors. The only header that
/// includes xxhash.h.
///
/// It reads a batch once, at the speed of memory, and is the same whatever the machine's instructions.
#pragma once

#include <remat/run/source.hpp>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL  // nothing to link
#endif
#include <xxhash.h>

#include <cstdint>
#include <span>

namespace remat {

inline std::uint64_t hash_of(std::span<const source> batch) {
  std::uint64_t hash = 0;
  for (const source& each : batch) hash = XXH3_64bits_withSeed(each.data, each.size * each.element_bytes, hash);
  return hash;
}

}  // namespace remat
