// SPDX-License-Identifier: MIT
/// Writing safetensors files (safetensors_file.hpp has the format).
#pragma once

#include <remat/core/bfloat16.hpp>
#include <remat/core/partial_file.hpp>
#include <remat/io/safetensors_header.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace remat {

/// A file that is being written, tensor by tensor in the order of its header, as `partial_file` writes: throws
/// `data_error`, and then the old file is as it was.
class safetensors_writer {
 public:
  /// Writes the header. The tensors follow one another, as `add_safetensor` adds them.
  safetensors_writer(const std::filesystem::path& path, std::span<const safetensor> tensors)
      : safetensors_writer(path, detail::safetensors_header_of(tensors, path.string())) {}

  /// The next tensor, or the next part of one.
  void write(std::span<const std::byte> bytes) { file_.write(bytes); }
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
  void finish() { file_.finish(); }

 private:
  safetensors_writer(const std::filesystem::path& path, const std::string& header) : file_(path) {
    const std::uint64_t length = header.size();
    write(std::as_bytes(std::span(&length, 1)));
    write(std::as_bytes(std::span(header)));
  }

  partial_file file_;
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
