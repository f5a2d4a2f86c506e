// SPDX-License-Identifier: MIT
/// Text of a file as a message shows it.
#pragma once

#include <remat/core/language.hpp>

#include <string>
#include <string_view>

namespace remat::detail {

/// Bytes that cannot be seen, which may command a terminal, as \x00; and its first 80 characters.
inline std::string shown_text(std::string_view text) {
  constexpr const char* digits = "0123456789abcdef";
  std::string shown;
  for (const char c : text.substr(0, 80)) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      shown += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    else
      shown += c;
  }
  return shown;
}

}  // namespace remat::detail
