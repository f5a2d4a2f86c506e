// SPDX-License-Identifier: MIT
/// Weights of a convolution, in the layout that a primitive chose, turned around in their own memory: the element at
/// (h, w) of each window goes to (KH - 1 - h, KW - 1 - w). A copy elsewhere would take as much memory again.
///
/// oneDNN's layouts of weights have blocks of channels; a window's elements are in blocks of their own, which are
/// swapped.
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/nn/onednn_layout.hpp>

#include <algorithm>
#include <cstddef>

namespace remat::onednn {

class turned_windows {
 public:
  turned_windows() = default;
  /// Of weights (..., KH, KW).
  explicit turned_windows(const layout& weights) {
    const dnnl_memory_desc_t& d = *weights.get();
    const dnnl_blocking_desc_t& blocks = d.format_desc.blocking;
    if (d.format_kind != dnnl_blocked || d.ndims < 3) return;
    const int channels = d.ndims - 2;
    std::size_t counts[DNNL_MAX_NDIMS] = {};
    for (int i = 0; i < d.ndims; ++i) counts[i] = static_cast<std::size_t>(d.padded_dims[i]);
    for (int i = 0; i < blocks.inner_nblks; ++i) {
      if (blocks.inner_idxs[i] >= channels) return;  // a window is cut into blocks itself
      run_ *= static_cast<std::size_t>(blocks.inner_blks[i]);
      counts[blocks.inner_idxs[i]] /= static_cast<std::size_t>(blocks.inner_blks[i]);
    }
    for (int i = 0; i < channels; ++i) add({counts[i], static_cast<std::size_t>(blocks.strides[i])});
    std::sort(loops_, loops_ + count_, [](const loop& a, const loop& b) { return a.stride < b.stride; });
    int joined = 0;  // blocks that follow one another are one
    for (; joined < count_ && loops_[joined].stride == run_; ++joined) run_ *= loops_[joined].count;
    std::copy(loops_ + joined, loops_ + count_, loops_);
    count_ -= joined;
    for (int i = 0; i < count_; ++i) blocks_ *= loops_[i].count;
    columns_ = static_cast<std::size_t>(d.dims[channels + 1]);
    window_ = static_cast<std::size_t>(d.dims[channels]) * columns_;
    row_stride_ = static_cast<std::size_t>(blocks.strides[channels]);
    column_stride_ = static_cast<std::size_t>(blocks.strides[channels + 1]);
    bytes_ = d.data_type == dnnl_bf16 ? 2 : 4;
    is_known_ = true;
  }

  /// Whether the layout is one that can be turned around so.
  explicit operator bool() const { return is_known_; }

  void turn(std::byte* weights) const {
    const std::size_t half = window_ / 2, grain = 1 + 4096 / run_;
    parallel_for(half * blocks_, grain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const std::size_t at = i / blocks_, there = window_ - 1 - at, block = offset(i % blocks_);
        std::byte* const one = weights + (block + place(at)) * bytes_;
        std::byte* const other = weights + (block + place(there)) * bytes_;
        std::swap_ranges(one, one + run_ * bytes_, other);
      }
    });
  }

 private:
  struct loop {
    std::size_t count, stride;
  };

  void add(const loop& l) {
    if (l.count > 1) loops_[count_++] = l;
  }
  std::size_t place(std::size_t at) const { return at / columns_ * row_stride_ + at % columns_ * column_stride_; }
  std::size_t offset(std::size_t block) const {
    std::size_t sum = 0;
    for (int i = 0; i < count_; ++i) {
      sum += block % loops_[i].count * loops_[i].stride;
      block /= loops_[i].count;
    }
    return sum;
  }

  bool is_known_ = false;
  std::size_t window_ = 0, columns_ = 1;  // elements of a window, and of a row of it
  std::size_t row_stride_ = 0, column_stride_ = 0;
  std::size_t bytes_ = 4;            // of a number
  std::size_t run_ = 1;              // numbers that are next to each other
  std::size_t blocks_ = 1;           // runs at each place of a window
  loop loops_[DNNL_MAX_NDIMS] = {};  // over these
  int count_ = 0;
};

}  // namespace remat::onednn
