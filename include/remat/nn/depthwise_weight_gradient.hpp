// SPDX-License-Identifier: MIT
/// The gradient of the weights of a depthwise convolution, in loops of our own:
///
///     dW[c, i, j] = sum of x[n, h stride + i dilation - padding, ...] dy[n, h, w, c] over samples, rows and columns
///
/// oneDNN 2.6 has a kernel for 3 x 3 elements without gaps, which is used, but not for the 7 x 7 of ConvNeXt (Liu et al.
/// 2022), which it computes as if each group had a vector of channels. Milliseconds of a batch of 8 at 1 thread (Zen 4):
///
/// | image, kernel      | float32, oneDNN | here | bfloat16, oneDNN | here |
/// |--------------------|-----------------|------|------------------|------|
/// | 96 x 56 x 56, 7    | 47.7            | 7.7  | 53.7             | 4.0  |
/// | 384 x 14 x 14, 7   | 12.2            | 1.5  | 15.6             | 0.95 |
/// | 96 x 56 x 56, 3    | 3.2             | 6.3  | 1.1              | 2.6  |
/// | 384 x 14 x 14, 3   | 0.30            | 0.95 | 0.19             | 0.46 |
///
/// A task is sixteen channels of some samples, whose sums are then joined in order: how many does not depend on the
/// threads. It copies the rows of x that the windows of a row of dy hold, widened, one pixel after another and with the
/// border, so that the sums are over whole vectors. A sum is added up over a row, and then over rows. (What is not finite
/// in dy makes a NaN of the border's zeros, too.)
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/kernel.hpp>
#include <remat/core/thread_scope.hpp>
#include <remat/nn/conv2d_weights.hpp>
#include <remat/nn/each_task.hpp>
#include <remat/nn/vector_of_lanes.hpp>

#include <algorithm>
#include <cstddef>

namespace remat::nn::detail {

/// A row of pixels of some channels, one after another, `step` numbers apart.
template <class X>
struct channel_row {
  const X* first;
  std::size_t step, pixels, channels;
};

REMAT_BEGIN_VECTOR_CODE

/// Writes vectors of the row's channels, of which there are as many as a vector has lanes, or fewer: then the other
/// lanes stay.
template <class X>
[[gnu::always_inline]] inline void widen_pixels_in(const channel_row<X>& from, float* to) {
  const auto& [first, step, pixels, channels] = from;
  for (std::size_t w = 0; w < pixels; ++w)
    if (channels == lanes)
      for (std::size_t c = 0; c < lanes; ++c) to[w * lanes + c] = float_of(first[w * step + c]);
    else
      for (std::size_t c = 0; c < channels; ++c) to[w * lanes + c] = float_of(first[w * step + c]);
}
REMAT_VECTORISED inline void widen_pixels(const channel_row<float>& from, float* to) { widen_pixels_in(from, to); }
REMAT_VECTORISED inline void widen_pixels(const channel_row<bfloat16>& from, float* to) { widen_pixels_in(from, to); }

/// sums[j] += the sum of x[w stride + j gap] dy[w] over `pixels` vectors, for `Columns` elements of a kernel's row.
template <std::size_t Columns>
[[gnu::always_inline]] inline void add_kernel_columns(const float* x, const float* dy, std::size_t pixels,
                                                      std::size_t stride, std::size_t gap, float* sums) {
  vector_of_lanes of_row[Columns] = {}, a, b;
  for (std::size_t w = 0; w < pixels; ++w) {
    load(b, dy + w * lanes);
#pragma GCC unroll 8
    for (std::size_t j = 0; j < Columns; ++j) {
      load(a, x + (w * stride + j * gap) * lanes);
      of_row[j] += a * b;
    }
  }
#pragma GCC unroll 8
  for (std::size_t j = 0; j < Columns; ++j) {
    load(a, sums + j * lanes);
    store(a + of_row[j], sums + j * lanes);
  }
}
/// The same for a row of any length, as many at once as there are registers for.
template <bool InRegisters>
[[gnu::always_inline]] inline void add_kernel_row_in(const float* x, const float* dy, std::size_t pixels,
                                                     std::size_t stride, std::size_t gap, std::size_t columns,
                                                     float* sums) {
  constexpr std::size_t most = InRegisters ? 7 : 3;
  for (std::size_t j = 0; j < columns;) {
    const float* const from = x + j * gap * lanes;
    float* const to = sums + j * lanes;
    const std::size_t left = columns - j;
    if (left >= most) {
      add_kernel_columns<most>(from, dy, pixels, stride, gap, to);
      j += most;
    } else if (InRegisters && left >= 5) {
      add_kernel_columns<5>(from, dy, pixels, stride, gap, to);
      j += 5;
    } else if (left >= 3) {
      add_kernel_columns<3>(from, dy, pixels, stride, gap, to);
      j += 3;
    } else {
      add_kernel_columns<1>(from, dy, pixels, stride, gap, to);
      j += 1;
    }
  }
}
REMAT_VECTORISED_IN_REGISTERS(add_kernel_row,
                              (const float* x, const float* dy, std::size_t pixels, std::size_t stride, std::size_t gap,
                               std::size_t columns, float* sums),
                              x, dy, pixels, stride, gap, columns, sums)

REMAT_END_VECTOR_CODE

class depthwise_weight_gradient {
 public:
  depthwise_weight_gradient() = default;
  /// From x and y's gradient, of this many samples.
  depthwise_weight_gradient(const conv2d_attributes& a, const extents& x, const extents& y, std::size_t samples)
      : a_(a), x_(x), y_(y), batch_(samples), reach_(reach(a.kernel, a.over.dilation)) {
    constexpr std::size_t enough_tasks = 64;
    blocks_ = (a.in + lanes - 1) / lanes;
    pieces_ = std::min(samples, (enough_tasks + blocks_ - 1) / blocks_);
    workers_ = std::min(static_cast<std::size_t>(primitive_threads()), blocks_ * pieces_);
    row_ = ((y.width - 1) * a.over.stride.width + reach_.width + 1) * lanes;
  }

  explicit operator bool() const { return workers_ > 0; }
  std::size_t scratch_bytes() const {
    return workers_ * worker_bytes() + aligned(part() * blocks_ * pieces_ * sizeof(float));
  }

  void execute(const const_numbers& x, const const_numbers& dy, const destination& dw, std::byte* scratch) const {
    float* const parts = reinterpret_cast<float*>(scratch + workers_ * worker_bytes());
    each_task(blocks_ * pieces_, workers_, [&](std::size_t task, std::size_t worker) {
      float* const rooms = reinterpret_cast<float*>(scratch + worker * worker_bytes());
      const std::size_t block = task / pieces_, piece = task % pieces_;
      float* const sums = parts + task * part();
      std::fill_n(rooms, worker_bytes() / sizeof(float), 0.0f);
      std::fill_n(sums, part(), 0.0f);
      for (std::size_t n = batch_ * piece / pieces_; n < batch_ * (piece + 1) / pieces_; ++n)
        add_sample(x, dy, n, block * lanes, rooms, sums);
    });
    const std::size_t taps = a_.kernel.area(), size = part(), pieces = pieces_;
    dw.assign([=](std::size_t i) {
      const std::size_t channel = i / taps;
      const float* const first = parts + channel / lanes * pieces * size + i % taps * lanes + channel % lanes;
      float sum = 0;
      for (std::size_t p = 0; p < pieces; ++p) sum += first[p * size];
      return sum;
    });
  }

 private:
  /// Floats of a task's sums, and of a worker's rooms: a row of dy, and the rows of x of a window.
  std::size_t part() const { return a_.kernel.area() * lanes; }
  std::size_t rows_of_window() const { return reach_.height + 1; }
  std::size_t row_of_dy() const { return y_.width * lanes; }
  std::size_t worker_bytes() const { return aligned((row_of_dy() + rows_of_window() * row_) * sizeof(float)); }

  void add_sample(const const_numbers& x, const const_numbers& dy, std::size_t sample, std::size_t channel,
                  float* of_dy, float* sums) const {
    const auto& over = a_.over;
    float* const of_x = of_dy + row_of_dy();
    const std::size_t slots = rows_of_window(), padding = over.padding.height;
    const std::size_t wanted = std::min(x_.width, row_ / lanes - std::min(row_ / lanes, over.padding.width));
    std::size_t next = 0;  // row of x
    for (std::size_t h = 0; h < y_.height; ++h) {
      const std::size_t first = h * over.stride.height, end = first + slots;  // in the padded image
      for (next = std::max(next, first > padding ? first - padding : 0); next < x_.height && next + padding < end;
           ++next)
        widen_row(x, (sample * x_.height + next) * x_.width, wanted, channel,
                  of_x + next % slots * row_ + over.padding.width * lanes);
      widen_row(dy, (sample * y_.height + h) * y_.width, y_.width, channel, of_dy);
      for (std::size_t i = 0; i < a_.kernel.height; ++i) {
        const std::size_t row = first + i * over.dilation.height - padding;  // wraps around above the first row
        if (row >= x_.height) continue;
        add_kernel_row(of_x + row % slots * row_, of_dy, y_.width, over.stride.width, over.dilation.width,
                       a_.kernel.width, sums + i * a_.kernel.width * lanes);
      }
    }
  }
  /// This many pixels from one on, of a vector of channels.
  void widen_row(const const_numbers& from, std::size_t pixel, std::size_t pixels, std::size_t channel,
                 float* to) const {
    const std::size_t at = pixel * a_.in + channel, channels = std::min(lanes, a_.in - channel);
    if (from.type == element::bfloat16)
      widen_pixels(channel_row<bfloat16>{reinterpret_cast<const bfloat16*>(from.data) + at, a_.in, pixels, channels},
                   to);
    else
      widen_pixels(channel_row<float>{reinterpret_cast<const float*>(from.data) + at, a_.in, pixels, channels}, to);
  }

  conv2d_attributes a_{};
  extents x_ = 1, y_ = 1;
  std::size_t batch_ = 0;
  extents reach_ = 0;  ///< of a window, after its first element
  std::size_t blocks_ = 0, pieces_ = 0, workers_ = 0;
  std::size_t row_ = 0;  ///< floats of a row of x with its border
};

}  // namespace remat::nn::detail
