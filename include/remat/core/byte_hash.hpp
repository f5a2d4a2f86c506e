// SPDX-License-Identifier: MIT
/// A hash of bytes: XXH3, 64 bits. The only header that includes xxhash.h.
///
/// It reads them once, at the speed of memory, and is the same whatever the machine's instructions.
#pragma once

#include <remat/core/language.hpp>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL  // nothing to link
#endif
#include <xxhash.h>

#include <cstddef>
#include <cstdint>

namespace remat {

/// Of bytes that follow on others, whose hash is `before`.
inline std::uint64_t hash_of_bytes(const void* data, std::size_t bytes, std::uint64_t before = 0) {
  return XXH3_64bits_withSeed(data, bytes, before);
}

}  // namespace remat
