// SPDX-License-Identifier: MIT
/// Text of SVG images: pieces after one another, names that may hold anything, and where an axis has its marks.
#pragma once

#include <remat/core/c_locale.hpp>
#include <remat/core/language.hpp>

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>

namespace remat::detail {

class svg_text {
 public:
  template <class... Values>
  void add(const char* format, Values... values) {
    if constexpr (sizeof...(values) == 0) {
      text_ += format;
    } else {
      const c_locale with_points;
      char piece[512];
      std::snprintf(piece, sizeof piece, format, values...);
      text_ += piece;
    }
  }
  void add_text(std::string_view text) { text_ += text; }
  /// Somebody's words. XML has no control characters but tabs and ends of lines.
  void add_escaped(std::string_view words) {
    constexpr const char* no_character = "\xef\xbf\xbd";  // U+FFFD
    for (const char c : words) {
      const bool is_control = (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') || c == 0x7f;
      text_ += is_control ? no_character
               : c == '<' ? "&lt;"
               : c == '>' ? "&gt;"
               : c == '&' ? "&amp;"
               : c == '"' ? "&quot;"
                          : std::string(1, c);
    }
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Between marks of an axis, about this many in all: 1, 2 or 5 times a power of ten. NaN, which gives no mark but the
/// first, for a length that is too small or too large for them.
inline double mark_distance(double length, int marks) {
  const double rough = length / marks, power = std::pow(10, std::floor(std::log10(rough)));
  if (!std::isnormal(rough) || !std::isnormal(power)) return std::numeric_limits<double>::quiet_NaN();
  return rough <= power ? power : rough <= 2 * power ? 2 * power : rough <= 5 * power ? 5 * power : 10 * power;
}

}  // namespace remat::detail
