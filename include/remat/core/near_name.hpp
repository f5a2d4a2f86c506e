// SPDX-License-Identifier: MIT
/// The name that somebody who mistyped one has meant.
#pragma once

#include <remat/core/language.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace remat::detail {

/// How many characters must be put in, taken out, exchanged, or swapped with the next one, to make one of the other.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), here(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    here[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      here[j] = std::min({last[j] + 1, here[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        here[j] = std::min(here[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, here);
  }
  return last[b.size()];
}

/// The nearest of some names; empty where all differ in more than a third of their characters.
inline std::string nearest_name(std::string_view wanted, std::span<const std::string> names) {
  std::string nearest;
  std::size_t least = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  for (const std::string& name : names)
    if (const std::size_t distance = edit_distance(wanted, name); distance < least) {
      least = distance;
      nearest = name;
    }
  return nearest;
}

/// "'a', 'b', 'c'", the first of many.
inline std::string quoted_names(std::span<const std::string> names) {
  constexpr std::size_t most = 20;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i) text += (i == 0 ? "'" : ", '") + names[i] + "'";
  return names.size() > most ? text + " and " + std::to_string(names.size() - most) + " more" : text;
}

}  // namespace remat::detail
