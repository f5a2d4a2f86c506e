// SPDX-License-Identifier: MIT
/// A temporary folder of small IDX files, plain or gzip, that is removed with its contents.
#pragma once

#include "temporary_folder.hpp"

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <zlib.h>

using file_bytes = std::vector<std::uint8_t>;

/// An IDX file of unsigned bytes: header, then contents.
inline file_bytes idx_bytes(const std::vector<std::uint32_t>& extents, const file_bytes& contents) {
  file_bytes file{0, 0, 8, static_cast<std::uint8_t>(extents.size())};
  for (const std::uint32_t extent : extents)
    for (const int shift : {24, 16, 8, 0}) file.push_back(static_cast<std::uint8_t>(extent >> shift));
  file.insert(file.end(), contents.begin(), contents.end());
  return file;
}

class idx_folder : public temporary_folder {
 public:
  std::filesystem::path write(const std::string& name, const file_bytes& contents) const {
    return temporary_folder::write(name, std::string(contents.begin(), contents.end()));
  }
  std::filesystem::path write_gzip(const std::string& name, const file_bytes& contents) const {
    const std::filesystem::path to = path() / name;
    gzFile file = gzopen(to.string().c_str(), "wb");
    const bool is_written =
        gzwrite(file, contents.data(), static_cast<unsigned>(contents.size())) == static_cast<int>(contents.size());
    if (gzclose(file) != Z_OK || !is_written) throw std::runtime_error("cannot write " + name);
    return to;
  }

  /// The file as it is on disk, compressed or not.
  static file_bytes stored(const std::filesystem::path& path) {
    const std::string bytes = temporary_folder::stored(path);
    return {bytes.begin(), bytes.end()};
  }
};
