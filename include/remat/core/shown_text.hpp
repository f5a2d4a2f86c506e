// SPDX-License-Identifier: MIT
/// Text of a file as a message shows it.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace remat::detail {

/// The bytes of the character that a text begins with, in UTF-8; 0 where it cannot be seen, or is none.
constexpr std::size_t visible_bytes(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i)
    if (byte(i) >> 6 != 2) return 0;
  const unsigned char second = byte(1);
  // Controls, characters in more bytes than they need, halves of pairs, and what is no character any more.
  const bool is_none = (first == 0xc2 && second < 0xa0) || (first == 0xe0 && second < 0xa0) ||
                       (first == 0xed && second >= 0xa0) || (first == 0xf0 && second < 0x90) ||
                       (first == 0xf4 && second >= 0x90);
  return is_none ? 0 : bytes;
}

/// The first bytes of a text, of which those that cannot be seen, which may command a terminal, are as \x00.
inline std::string shown_text(std::string_view text, std::size_t most = 80) {
  constexpr const char* digits = "0123456789abcdef";
  std::string shown;
  for (std::size_t i = 0; i < text.size() && i < most;) {
    const std::size_t bytes = visible_bytes(text.substr(i));
    if (bytes > 0) {
      shown += text.substr(i, bytes);
      i += bytes;
    } else {
      const auto byte = static_cast<unsigned char>(text[i++]);
      shown += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return shown;
}

}  // namespace remat::detail
