// SPDX-License-Identifier: MIT
/// Weights of a convolution in a layout of blocks that oneDNN has chosen, from PyTorch's (Out, In, KH, KW); for a
/// convolution of gradients, with their channels exchanged and their windows turned around.
///
/// The layouts have sixteen or more channels of one side next to one another, of bfloat16 in pairs of the other side's.
/// oneDNN's reorder is fast at those with blocks of both sides. Where each channel or pair of the other side has its own
/// vectors (AcdB64a, AcdB64a2b), and channels fill them, loops of ours write them out of the first cache. Milliseconds
/// out of memory, of 256 x 256 windows of 3 x 3 (Zen 4, 1 thread):
///
/// | to                  | oneDNN's reorder | here |
/// |---------------------|------------------|------|
/// | float32             | 0.54             | 0.23 |
/// | bfloat16            | 0.75             | 0.19 |
/// | bfloat16, exchanged | 0.33             | 0.23 |
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/nn/conv2d_weights.hpp>
#include <remat/nn/onednn_instructions.hpp>
#include <remat/nn/onednn_turned.hpp>
#include <remat/nn/onednn_vectors.hpp>
#include <remat/nn/packing_loops.hpp>
#include <remat/nn/scratch.hpp>

#include <cstddef>
#include <cstring>

namespace remat::nn::detail {

class packed_windows {
 public:
  packed_windows() = default;
  /// Into the layout `packed`. `exchanged`: of a convolution of gradients.
  packed_windows(const conv2d_attributes& a, const onednn::layout& packed, bool exchanged)
      : out_(a.out),
        in_(a.in),
        taps_(a.kernel.area()),
        columns_(a.kernel.width),
        exchanged_(exchanged),
        rounds_(packed.type() == element::bfloat16),
        vectors_(packed) {
    is_ours_ = a.over.groups == 1 && fills_vectors();
    if (is_ours_) return;
    const std::size_t groups = a.over.groups;
    reorder_ = onednn::primitive::reorder(
        exchanged ? onednn::layout::transposed_weights(groups, a.in / groups, a.out / groups, a.kernel)
                  : weights_layout(a, a.in, a.out, false),
        packed);
    if (exchanged) windows_ = onednn::turned_windows(packed);
  }

  /// Whether windows of this layout can be turned around, where they are to be.
  explicit operator bool() const { return is_ours_ || (reorder_ && (!exchanged_ || windows_)); }

  /// oneDNN's, or none where loops of ours pack.
  const onednn::primitive& reorder() const { return reorder_; }

  void reserve(prepared& state) const {
    if (reorder_) reserve_scratch(state, passes::pack, 0, reorder_);
  }

  void execute(const float* weights, std::byte* packed, std::byte* scratch) const {
    if (!is_ours_) {
      reorder_.execute(scratch, {{onednn::source, weights}, {onednn::result, packed}});
      if (exchanged_) windows_.turn(packed);
      return;
    }
    const std::size_t across = in_ / tile_in;
    parallel_for(out_ / tile_out * across, grain_of_rows(tile_out * tile_in * taps_),
                 [&](std::size_t begin, std::size_t end) {
                   for (std::size_t i = begin; i < end; ++i)
                     pack_tile(weights, i / across * tile_out, i % across * tile_in, packed);
                 });
  }

 private:
  static constexpr std::size_t tile_out = 2 * lanes, tile_in = lanes, most_taps = 25;  // of a tile in the first cache

  bool fills_vectors() const {
    return onednn::instructions() != onednn::instruction_set::other && (rounds_ || !exchanged_) &&
           out_ % tile_out == 0 && in_ % tile_in == 0 && taps_ <= most_taps && vectors_.block > 0 &&
           vectors_.block % lanes == 0;
  }

  bool lanes_are_outputs() const { return vectors_.are_of_first != exchanged_; }
  std::size_t in_a_word() const { return rounds_ ? 2 : 1; }
  /// The vector that begins with channel `lane`, of this channel of the other side and this element of the window.
  float* vector_at(std::byte* packed, std::size_t lane, std::size_t other, std::size_t tap) const {
    return reinterpret_cast<float*>(packed) + lane / vectors_.block * vectors_.block_stride + lane % vectors_.block +
           other / in_a_word() * vectors_.other_stride + tap / columns_ * vectors_.row_stride +
           tap % columns_ * vectors_.column_stride;
  }

  /// The windows of `tile_out` by `tile_in` channels, turned before so that those of outputs are next to one another.
  void pack_tile(const float* weights, std::size_t out, std::size_t in, std::byte* packed) const {
    alignas(64) float tile[most_taps * tile_in * tile_out];
    const std::size_t line = in_ * taps_;
    for (std::size_t o = 0; o < tile_out; o += lanes)
      for (std::size_t i = 0; i < tile_in * taps_; i += lanes) {
        const float* const from = weights + (out + o) * line + in * taps_ + i;
        for (std::size_t k = 0; k < lanes; ++k) __builtin_prefetch(from + k * line + tile_in * taps_);  // the next tile
        turn_words(from, line, tile + i * tile_out + o, tile_out);
      }
    for (std::size_t t = 0; t < taps_; ++t) {
      const float* const of_tap = tile + t * tile_out;
      const std::size_t to = exchanged_ ? taps_ - 1 - t : t;
      if (lanes_are_outputs())
        put_outputs(of_tap, out, in, to, packed);
      else
        put_inputs(of_tap, out, in, to, packed);
    }
  }
  void put_outputs(const float* from, std::size_t out, std::size_t in, std::size_t tap, std::byte* packed) const {
    const std::size_t next_input = taps_ * tile_out;
    for (std::size_t o = 0; o < tile_out; o += lanes) {
      float* const to = vector_at(packed, out + o, in, tap);
      if (rounds_)
        pair_lines(from + o, next_input, to, vectors_.other_stride, tile_in / 2);
      else
        copy_vectors(from + o, next_input, to);
    }
  }
  void put_inputs(const float* from, std::size_t out, std::size_t in, std::size_t tap, std::byte* packed) const {
    alignas(64) float turned[tile_out * lanes];
    const std::size_t next_input = taps_ * tile_out;
    if (rounds_)
      turn_rounded(from, next_input, turned, lanes);
    else
      for (std::size_t o = 0; o < tile_out; o += lanes) turn_words(from + o, next_input, turned + o * lanes, lanes);
    for (std::size_t o = 0; o < tile_out; o += tile_in)
      copy_vectors(turned + o / in_a_word() * lanes, lanes, vector_at(packed, in, out + o, tap));
  }
  /// Of `tile_in` channels, `step` words apart.
  void copy_vectors(const float* from, std::size_t step, float* to) const {
    for (std::size_t i = 0; i < tile_in / in_a_word(); ++i)
      std::memcpy(to + i * vectors_.other_stride, from + i * step, lanes * sizeof(float));
  }

  std::size_t out_ = 0, in_ = 0, taps_ = 0, columns_ = 1;
  bool exchanged_ = false, rounds_ = false, is_ours_ = false;
  onednn::channel_vectors vectors_;
  onednn::primitive reorder_;
  onednn::turned_windows windows_;
};

}  // namespace remat::nn::detail
