// SPDX-License-Identifier: MIT
/// Matrices that files have transposed: (In, Out) in the file, (Out, In) in the model, as GPT-2's `Conv1D` keeps its
/// weights. They are turned a few rows at a time.
#pragma once

#include <remat/core/element.hpp>
#include <remat/io/safetensors_file.hpp>
#include <remat/io/safetensors_writer.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace remat::detail {

/// How many rows of a file's matrix are held at a time.
inline std::size_t rows_at_a_time(std::size_t width) { return std::max<std::size_t>(1, 65536 / width); }

/// Reads the whole of a matrix into the transposed one. Throws `data_error`.
inline void read_transposed(const safetensors_file& file, const safetensor& t, std::span<float> to) {
  const std::size_t height = t.shape[0], width = t.shape[1], some = rows_at_a_time(width);
  std::vector<float> rows(std::min(some, height) * width);
  for (std::size_t first = 0; first < height; first += some) {
    const std::size_t count = std::min(some, height - first);
    file.read_part(t, element::float32, first * width, std::as_writable_bytes(std::span(rows).first(count * width)));
    for (std::size_t column = 0; column < width; ++column)
      for (std::size_t row = 0; row < count; ++row) to[column * height + first + row] = rows[row * width + column];
  }
}

/// Writes a matrix (width, height) as the transposed one (height, width).
inline void write_transposed(safetensors_writer& file, std::span<const float> from, std::size_t height,
                             std::size_t width, element type) {
  const std::size_t some = rows_at_a_time(width);
  std::vector<float> rows(std::min(some, height) * width);
  for (std::size_t first = 0; first < height; first += some) {
    const std::size_t count = std::min(some, height - first);
    for (std::size_t column = 0; column < width; ++column)
      for (std::size_t row = 0; row < count; ++row) rows[row * width + column] = from[column * height + first + row];
    const std::span<const float> made = std::span(rows).first(count * width);
    if (type == element::bfloat16)
      file.write_as_bfloat16(made);
    else
      file.write(made);
  }
}

}  // namespace remat::detail
