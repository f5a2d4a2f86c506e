// SPDX-License-Identifier: MIT
/// Small files of text, read and written as a whole.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/input_file.hpp>
#include <remat/core/partial_file.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace remat {

/// Throws `data_error` where the file cannot be read; `expected` ends its message, and says what file is wanted.
inline std::string read_text_file(const std::filesystem::path& path, std::string_view expected = {}) {
  const input_file file(path, expected);
  constexpr std::size_t most = std::size_t{1} << 30;
  if (file.size() > most)
    throw data_error(file.name(), "has " + std::to_string(file.size()) + " bytes; text of at most " +
                                      std::to_string(most) + " bytes is accepted");
  std::string text;
  for (std::size_t room = file.size() + 1;; room = 2 * text.size()) {  // one more, to see that it ends
    const std::size_t before = text.size();
    text.resize(room);
    const std::size_t got = file.read_some(text.data() + before, room - before, before);
    if (before + got < room) {
      text.resize(before + got);
      return text;
    }
  }
}

/// As `partial_file` does. Throws `data_error` where the file cannot be written; then an old one is as it was.
inline void write_text_file(const std::filesystem::path& path, std::string_view text) {
  partial_file file(path);
  file.write(std::as_bytes(std::span(text)));
  file.finish();
}

}  // namespace remat
