// SPDX-License-Identifier: MIT
/// Small files of text, read and written as a whole.
///
/// A file is written under a temporary name, the path with ".partial", which becomes the path when all is written:
/// whoever reads the path sees the old file or the new one. One process at a time writes a path.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/input_file.hpp>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace remat {

/// Throws `data_error` where the file cannot be read; `expected` ends its message, and says what file is wanted.
inline std::string read_text_file(const std::filesystem::path& path, std::string_view expected = {}) {
  const input_file file(path, expected);
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

/// The temporary name under which a path is written. Throws `data_error` where something other than a file has the
/// path's name, which a file that takes its place would end, or where writing would wait for the reader of a pipe.
inline std::filesystem::path partial_path_of(const std::filesystem::path& path) {
  std::filesystem::path partial = path;
  partial += ".partial";
  const auto refuse = [&](const std::filesystem::path& what, const char* kind) {
    throw data_error(path.string(),
                     "cannot be written: " + (what == path ? std::string("it") : what.string()) + " is a " + kind);
  };
  std::error_code ignored;
  const std::filesystem::file_status old = std::filesystem::status(path, ignored);
  if (std::filesystem::is_directory(old)) refuse(path, "folder");
  if (std::filesystem::exists(old) && !std::filesystem::is_regular_file(old)) refuse(path, "device or a pipe");
  if (std::filesystem::is_fifo(std::filesystem::status(partial, ignored))) refuse(partial, "pipe");
  return partial;
}

/// Throws `data_error` where the file cannot be written; then an old one is as it was.
inline void write_text_file(const std::filesystem::path& path, std::string_view text) {
  const std::filesystem::path partial = partial_path_of(path);
  errno = 0;
  std::ofstream file(partial, std::ios::binary | std::ios::trunc);
  if (!file)
    throw data_error(path.string(), "cannot be written: " + partial.string() + " cannot be opened (" +
                                        std::generic_category().message(errno) + ")");
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  std::error_code failed;
  if (!file)
    failed = {errno != 0 ? errno : EIO, std::generic_category()};
  else
    std::filesystem::rename(partial, path, failed);
  if (!failed) return;
  std::error_code ignored;
  std::filesystem::remove(partial, ignored);
  throw data_error(path.string(), "cannot be written (" + failed.message() + ")");
}

}  // namespace remat
