// SPDX-License-Identifier: MIT
/// Groups of parameters: each parameter belongs to the last group whose pattern matches it.
#pragma once

#include <remat/core/error.hpp>
#include <remat/run/parameter_view.hpp>
#include <remat/train/parameter_pattern.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace remat::detail {

/// Which group each parameter belongs to: 0, or 1 + the place of the last pattern that matches. Throws `error` for a
/// pattern that gets no parameter.
inline std::vector<std::size_t> assign_groups(std::span<const parameter_view> parameters,
                                              std::span<const parameter_pattern> patterns, const std::string& who) {
  std::vector<std::size_t> group_of(parameters.size());
  for (std::size_t g = 0; g < patterns.size(); ++g) {
    std::size_t matched = 0, taken = 0;
    for (const parameter_view& p : parameters) {
      if (!patterns[g].matches(p)) continue;
      ++matched;
      std::size_t last = g;
      for (std::size_t later = g + 1; later < patterns.size(); ++later)
        if (patterns[later].matches(p)) last = later;
      taken += last == g ? 1u : 0u;
      group_of[static_cast<std::size_t>(&p - parameters.data())] = last + 1;
    }
    const std::string group = who + ": the pattern of group " + std::to_string(g) + ", " + patterns[g].text() + ", ";
    if (matched == 0) {
      std::string known;
      for (const parameter_view& p : parameters) known += (known.empty() ? "" : ", ") + p.name;
      throw error(group + "matches no parameter; this model has " + known);
    }
    if (taken == 0) throw error(group + "matches only parameters that later groups take; put it after them");
  }
  return group_of;
}

}  // namespace remat::detail
