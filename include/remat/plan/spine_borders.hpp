// SPDX-License-Identifier: MIT
/// The borders of a spine: where the segments of a chain solver begin and end.
///
/// Of a short spine these are all of its operations. Of a longer one they are about 160, where the frontier takes
/// least: its tables are those of a chain of that many links, each of which is kept or computed again as a whole. (With
/// more freedom between borders a solver finds tensors that are smaller than a quantum, and keeps all that it takes for
/// nothing.)
#pragma once

#include <remat/model/program.hpp>
#include <remat/plan/spine.hpp>

#include <cstddef>
#include <cstdint>

namespace remat::detail {

constexpr std::size_t frontier_bytes(const program& p, const spine& s, int before, std::size_t batch) {
  std::size_t sum = 0;
  for (int t : s.frontier[before]) sum += p.tensors[t].bytes(batch);
  return sum;
}

constexpr void mark_borders(const program& p, spine& s, std::size_t batch) {
  s.has_one_way = s.count > 200;
  s.is_border = core::list<std::uint8_t>(static_cast<std::size_t>(s.count) + 1, s.count > 200 ? 0 : 1);
  if (s.count <= 200) return;
  s.is_border[0] = s.is_border[s.count] = 1;
  const int step = (s.count + 159) / 160;
  for (int last = 0; last + step < s.count;) {
    int best = last + step;
    std::size_t least = frontier_bytes(p, s, best, batch);
    for (int at = last + (step + 1) / 2; at <= last + step + step / 2 && at < s.count; ++at)
      if (const std::size_t bytes = frontier_bytes(p, s, at, batch); bytes < least) best = at, least = bytes;
    s.is_border[best] = 1;
    last = best;
  }
}

}  // namespace remat::detail
