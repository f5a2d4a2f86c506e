// SPDX-License-Identifier: MIT
/// Small files of text, read and written as a whole.
///
/// A file is written under a temporary name, the path with ".partial", which becomes the path when all is written:
/// whoever reads the path sees the old file or the new one. One process at a time writes a path.
#pragma once

#include <remat/core/error.hpp>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

namespace remat {

/// Throws `data_error` where the file cannot be read; `expected` ends its message, and says what file is wanted.
inline std::string read_text_file(const std::filesystem::path& path, std::string_view expected = {}) {
  const std::string hint = expected.empty() ? "" : "; " + std::string(expected);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) throw data_error(path.string(), "is a folder, not a file" + hint);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw data_error(path.string(), "cannot be opened (" + std::generic_category().message(errno) + ")" + hint);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) throw data_error(path.string(), "cannot be read" + hint);
  return text;
}

/// Throws `data_error` where something other than a file has this name: a file that takes its place would end it.
inline void require_no_other(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    throw data_error(path.string(), std::string("cannot be written: it is a ") +
                                        (std::filesystem::is_directory(status) ? "folder" : "device or a pipe"));
}

/// Throws `data_error` where the file cannot be written; then an old one is as it was.
inline void write_text_file(const std::filesystem::path& path, std::string_view text) {
  require_no_other(path);
  std::filesystem::path partial = path;
  partial += ".partial";
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
