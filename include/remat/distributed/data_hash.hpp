// SPDX-License-Identifier: MIT
/// A hash of numbers that ranks should have alike (core/byte_hash.hpp): of the bytes of a batch as its user hands it
/// over, or of parameters and states.
#pragma once

#include <remat/core/byte_hash.hpp>
#include <remat/run/parameter_view.hpp>
#include <remat/run/source.hpp>

#include <cstdint>
#include <span>

namespace remat {

inline std::uint64_t hash_of(std::span<const tensor_source> batch) {
  std::uint64_t hash = 0;
  for (const tensor_source& each : batch) hash = hash_of_bytes(each.data, each.size * each.element_bytes, hash);
  return hash;
}

/// Of the values of parameters, then of states.
inline std::uint64_t hash_of(std::span<const parameter_view> parameters, std::span<const state_view> states) {
  std::uint64_t hash = 0;
  for (const parameter_view& p : parameters) hash = hash_of_bytes(p.values.data(), p.values.size_bytes(), hash);
  for (const state_view& s : states) hash = hash_of_bytes(s.values.data(), s.values.size_bytes(), hash);
  return hash;
}

}  // namespace remat
