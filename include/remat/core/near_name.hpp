// SPDX-License-Identifier: MIT
/// The known name that a mistyped one probably means.
#pragma once

#include <remat/core/list.hpp>
#include <remat/core/none.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace remat::detail {

/// How many characters must be put in, taken out, exchanged, or swapped with the next one, to make one of the other.
constexpr std::size_t edit_distance(std::string_view a, std::string_view b) {
  core::list<std::size_t> before(b.size() + 1), last(b.size() + 1), here(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    here[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t least = last[j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u);
      if (last[j] + 1 < least) least = last[j] + 1;
      if (here[j - 1] + 1 < least) least = here[j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < least)
        least = before[j - 2] + 1;
      here[j] = least;
    }
    std::swap(before, last);
    std::swap(last, here);
  }
  return last[b.size()];
}

/// Which of some names, which convert to std::string_view, is the nearest; `none` where all differ in more than a third
/// of the characters.
template <class Names>
constexpr int nearest_of(std::string_view wanted, const Names& names) {
  int nearest = core::none;
  std::size_t least = (wanted.size() < 3 ? 1 : wanted.size() / 3) + 1;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (const std::size_t distance = edit_distance(wanted, std::string_view(names[i])); distance < least) {
      least = distance;
      nearest = static_cast<int>(i);
    }
  return nearest;
}

/// The nearest of some names; empty where there is none.
inline std::string nearest_name(std::string_view wanted, std::span<const std::string> names) {
  const int nearest = nearest_of(wanted, names);
  return nearest == core::none ? std::string() : names[static_cast<std::size_t>(nearest)];
}

/// "'a', 'b', 'c'", the first of many.
template <class Names>
std::string quoted_names(const Names& names) {
  constexpr std::size_t most = 20;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < most; ++i) {
    text += i == 0 ? "'" : ", '";
    text += std::string_view(names[i]);
    text += "'";
  }
  return names.size() > most ? text + " and " + std::to_string(names.size() - most) + " more" : text;
}

}  // namespace remat::detail
