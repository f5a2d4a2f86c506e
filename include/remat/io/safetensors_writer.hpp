// SPDX-License-Identifier: MIT
/// Writing safetensors files (safetensors_file.hpp has the format).
#pragma once

#include <remat/core/bfloat16.hpp>
#include <remat/core/error.hpp>
#include <remat/core/text_file.hpp>
#include <remat/io/safetensors_header.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace remat {

namespace detail {

inline std::string system_text(int code) {
  return code == 0 ? "unknown reason" : std::generic_category().message(code);
}

}  // namespace detail

/// A file that is being written, tensor by tensor in the order of its header, under a temporary name that becomes
/// `path` when all is written: whoever reads `path` sees the old file or the new one. The temporary name is the path
/// with ".partial": one process at a time writes a path. Throws `data_error`; a file that is not finished disappears,
/// and the old one is as it was.
class safetensors_writer {
 public:
  /// Writes the header. The tensors follow one another, as `add_safetensor` adds them.
  safetensors_writer(const std::filesystem::path& path, std::span<const safetensor> tensors)
      : path_(path), partial_(partial_path_of(path)) {
    if (path.empty()) throw data_error("''", "names no file");
    const std::string text = detail::safetensors_header_of(tensors, path.string());
    errno = 0;
    file_.open(partial_, std::ios::binary | std::ios::trunc);
    if (!file_)
      throw data_error(path.string(), "cannot be written: " + partial_.string() + " cannot be opened (" +
                                          detail::system_text(errno) + ")");
    const std::uint64_t length = text.size();
    file_.write(reinterpret_cast<const char*>(&length), sizeof length);
    file_.write(text.data(), static_cast<std::streamsize>(text.size()));
  }
  safetensors_writer(const safetensors_writer&) = delete;
  safetensors_writer& operator=(const safetensors_writer&) = delete;
  ~safetensors_writer() {
    if (is_finished_) return;
    file_.close();
    std::error_code ignored;
    std::filesystem::remove(partial_, ignored);
  }

  /// The next tensor, or the next part of one.
  void write(std::span<const std::byte> bytes) {
    file_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    require_written();
  }
  void write(std::span<const float> values) { write(std::as_bytes(values)); }
  /// The same of numbers that the header says are BF16: each is rounded to the nearest.
  void write_as_bfloat16(std::span<const float> values) {
    std::array<bfloat16, 4096> piece;
    while (!values.empty()) {
      const std::span<const float> some = values.first(std::min(piece.size(), values.size()));
      std::ranges::transform(some, piece.begin(), [](float x) { return bfloat16(x); });
      write(std::as_bytes(std::span(piece).first(some.size())));
      values = values.subspan(some.size());
    }
  }
  /// Gives the file its name.
  void finish() {
    file_.close();
    require_written();
    std::error_code failed;
    std::filesystem::rename(partial_, path_, failed);
    if (failed) throw data_error(path_.string(), "cannot be replaced (" + failed.message() + ")");
    is_finished_ = true;
  }

 private:
  void require_written() const {
    if (!file_) throw data_error(path_.string(), "cannot be written (" + detail::system_text(errno) + ")");
  }

  std::filesystem::path path_, partial_;
  std::ofstream file_;
  bool is_finished_ = false;
};

/// Writes tensors, as F32 and in this order, as `safetensors_writer` does.
inline void write_safetensors(const std::filesystem::path& path, std::span<const safetensor_values> tensors) {
  std::vector<safetensor> places;
  for (const safetensor_values& t : tensors) add_safetensor(places, t.name, t.shape);
  safetensors_writer file(path, places);
  for (const safetensor_values& t : tensors) file.write(t.values);
  file.finish();
}

}  // namespace remat
