// SPDX-License-Identifier: MIT
/// A temporary folder of small IDX files, plain or gzip, that is removed with its contents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <stdlib.h>
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

class idx_folder {
 public:
  idx_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "remat-idx-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    path_ = name;
  }
  idx_folder(const idx_folder&) = delete;
  idx_folder& operator=(const idx_folder&) = delete;
  ~idx_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

  std::filesystem::path write(const std::string& name, const file_bytes& contents) const {
    std::ofstream file{path_ / name, std::ios::binary};
    file.write(reinterpret_cast<const char*>(contents.data()), static_cast<std::streamsize>(contents.size()));
    file.close();
    if (!file) throw std::runtime_error("cannot write " + name);
    return path_ / name;
  }

  std::filesystem::path write_gzip(const std::string& name, const file_bytes& contents) const {
    const std::filesystem::path to = path_ / name;
    gzFile file = gzopen(to.string().c_str(), "wb");
    const bool is_written =
        gzwrite(file, contents.data(), static_cast<unsigned>(contents.size())) == static_cast<int>(contents.size());
    if (gzclose(file) != Z_OK || !is_written) throw std::runtime_error("cannot write " + name);
    return to;
  }

  /// The file as it is on disk, compressed or not.
  static file_bytes stored(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return file_bytes(std::istreambuf_iterator<char>{file}, {});
  }

 private:
  std::filesystem::path path_;
};
