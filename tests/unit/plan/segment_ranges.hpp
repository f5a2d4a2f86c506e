// SPDX-License-Identifier: MIT
/// The operations [first, last) of each segment of a program's checkpoints.
#pragma once

#include <remat/plan/segments.hpp>

#include <utility>
#include <vector>

using operation_range = std::pair<int, int>;

inline std::vector<operation_range> ranges_of(const remat::program& p) {
  std::vector<operation_range> found;
  for (const auto& s : remat::segments_of(p, {})) found.emplace_back(s.first, s.last);
  return found;
}
