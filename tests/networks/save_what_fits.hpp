// SPDX-License-Identifier: MIT
/// A user's own policy with members: keeps what fits into a number of bytes, from the segment's end.
#pragma once

#include <remat/core/policy.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace networks {

struct save_what_fits {
  std::size_t bytes;

  static constexpr std::string_view policy_name = "save_what_fits";
  constexpr remat::core::list<remat::decision> plan(std::span<const remat::operation_view> segment,
                                                    const remat::segment_context&) const {
    remat::core::list<remat::decision> decisions(segment.size(), remat::decision::recompute);
    std::size_t left = bytes;
    for (std::size_t i = segment.size(); i-- > 0 && segment[i].output_bytes <= left; left -= segment[i].output_bytes)
      decisions[i] = remat::decision::keep;
    return decisions;
  }
};

}  // namespace networks
