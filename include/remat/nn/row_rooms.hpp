// SPDX-License-Identifier: MIT
/// Rows of tensors of bfloat16 as floats, however long they are. Up to 8,192 elements they go through the rooms of
/// floats.hpp; each piece of longer rows has rooms in the kernel's scratch.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/kernel.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/floats.hpp>
#include <remat/nn/normalised_rows.hpp>
#include <remat/nn/rows.hpp>

#include <array>
#include <cstddef>

namespace remat::nn::detail {

class row_rooms {
 public:
  row_rooms() = default;
  /// For the rows of a layer of one input and one output, as wide as each other: in scratch after `own` bytes of the
  /// kernel's. There are rooms for each of its `row_blocks`.
  row_rooms(prepared& state, const preparation& p, std::size_t width, std::size_t own)
      : width_(width), at_(aligned(own)), rows_(p.inputs[0].elements(p.batch) / width) {
    const element types[] = {p.inputs[0].type, p.outputs[0].type, p.output_gradient_type(), p.input_gradient_type()};
    bool are_floats = true;
    for (const element t : types) are_floats = are_floats && t == element::float32;
    if (are_floats || width <= longest_part) return;
    constexpr std::size_t most_pieces = 16;
    pieces_ = rows_ < most_pieces ? rows_ : most_pieces;
    const std::size_t blocks = row_blocks(rows_).count;
    state.scratch_bytes = at_ + (blocks > pieces_ ? blocks : pieces_) * of_block() * sizeof(float);
  }

  /// Those of a block, for `in_parts_of`.
  float* of(std::byte* scratch, std::size_t block) const {
    return reinterpret_cast<float*>(scratch + at_) + block * of_block();
  }
  /// `in_parts` of whole rows.
  template <std::size_t N, class F>
  void in_rows(const std::array<const_numbers, N>& from, const numbers& to, std::byte* scratch, const F& f) const {
    static_assert(N < most_tensors);
    if (pieces_ == 0) return in_parts(from, to, row_grain(width_), f, width_);
    parallel_for(pieces_, 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t piece = begin; piece < end; ++piece)
        in_parts_of(from, to, first_of(piece), first_of(piece + 1), width_, f, of(scratch, piece));
    });
  }

 private:
  static constexpr std::size_t most_tensors = 3;  ///< what backward reads, and what it writes

  std::size_t of_block() const { return most_tensors * width_; }

  std::size_t first_of(std::size_t piece) const { return rows_ * piece / pieces_ * width_; }

  std::size_t width_ = 0, at_ = 0, rows_ = 0;
  std::size_t pieces_ = 0;  ///< of the rows, each with rooms; 0 where rows need none
};

}  // namespace remat::nn::detail
