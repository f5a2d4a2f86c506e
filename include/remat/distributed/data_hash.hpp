// SPDX-License-Identifier: MIT
/// A hash of numbers that ranks should have alike: XXH3, 64 bits, of the bytes of a batch as its user hands it over, or
/// of parameters and states. The only header that includes xxhash.h.
///
/// It reads them once, at the speed of memory, and is the same whatever the machine's instructions.
#pragma once

#include <remat/run/parameter_view.hpp>
#include <remat/run/source.hpp>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL  // nothing to link
#endif
#include <xxhash.h>

#include <cstdint>
#include <span>

namespace remat {

inline std::uint64_t hash_of(std::span<const tensor_source> batch) {
  std::uint64_t hash = 0;
  for (const tensor_source& each : batch) hash = XXH3_64bits_withSeed(each.data, each.size * each.element_bytes, hash);
  return hash;
}

/// Of the values of parameters, then of states.
inline std::uint64_t hash_of(std::span<const parameter_view> parameters, std::span<const state_view> states) {
  std::uint64_t hash = 0;
  for (const parameter_view& p : parameters) hash = XXH3_64bits_withSeed(p.values.data(), p.values.size_bytes(), hash);
  for (const state_view& s : states) hash = XXH3_64bits_withSeed(s.values.data(), s.values.size_bytes(), hash);
  return hash;
}

}  // namespace remat
