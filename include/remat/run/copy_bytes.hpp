// SPDX-License-Identifier: MIT
/// Copies what goes into a step and comes out of it.
#pragma once

#include <remat/core/parallel.hpp>

#include <cstddef>
#include <cstring>

namespace remat::detail {

/// On all cores, since one alone does not use the whole bandwidth of the memory.
inline void copy_bytes(const void* from, void* to, std::size_t bytes) {
  constexpr std::size_t grain = std::size_t{1} << 18;
  parallel_for(bytes, grain, [=](std::size_t begin, std::size_t end) {
    std::memcpy(static_cast<std::byte*>(to) + begin, static_cast<const std::byte*>(from) + begin, end - begin);
  });
}

}  // namespace remat::detail
