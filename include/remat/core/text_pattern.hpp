// SPDX-License-Identifier: MIT
/// Patterns of text: `*` matches any characters, none included.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>
#include <string_view>

namespace remat::detail {

/// Whether `pattern` matches the whole of `text`. A * takes as few characters as it can, and one more whenever what
/// follows does not fit.
constexpr bool is_text_of_pattern(std::string_view text, std::string_view pattern) {
  std::size_t t = 0, p = 0, after_star = std::string_view::npos, taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      taken = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (after_star != std::string_view::npos) {
      p = after_star;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace remat::detail
