// SPDX-License-Identifier: MIT
/// The gradient of a convolution's weights as one product for each element of the kernel, a tap:
///
///     dW[:, :, i, j] = dy^T x     of the pixels of dy (N, H', W', Out) whose window has a pixel of x (N, H, W, In) there
///
/// oneDNN's own takes pixels of the padding, too, which are zeros: of 3 x 3 windows over 4 x 4 pixels 31 % of all. It is
/// slower with strides, and where the channels are many. Where few pixels are left out, copying them costs more. Ratios
/// of times, taps by oneDNN's (Zen 4, 1 thread and 2; `share` is that of pixels that are not padding):
///
/// | in, out  | pixels, 3 x 3    | share | samples | float32    | bfloat16   |
/// |----------|------------------|-------|---------|------------|------------|
/// | 512, 512 | 4 x 4            | 0.69  | 64      | 0.75, 0.76 | 0.76, 0.78 |
/// | 128, 128 | 4 x 4            | 0.69  | 64      | 0.83, 0.81 | 0.80, 0.70 |
/// | 64, 64   | 4 x 4            | 0.69  | 64      | 0.91, 0.83 | 0.57, 0.49 |
/// | 256, 256 | 6 x 6            | 0.79  | 32      | 0.94       | 0.90       |
/// | 512, 512 | 7 x 7            | 0.82  | 32      | 0.87, 1.06 | 0.83, 0.91 |
/// | 512, 512 | 7 x 7            | 0.82  | 8       | 0.71, 0.88 | 0.79, 0.87 |
/// | 256, 256 | 7 x 7            | 0.82  | 64      | 1.04, 1.09 | 0.84, 0.92 |
/// | 128, 128 | 8 x 8            | 0.84  | 64      | 1.09, 1.11 | 1.03, 1.13 |
/// | 256, 256 | 14 x 14          | 0.91  | 32      | 1.12, 1.15 | 1.11, 1.17 |
/// | 256, 512 | 7 x 7, stride 2  | 0.69  | 64      | 0.68, 0.72 | 0.50, 0.52 |
/// | 128, 256 | 14 x 14, stride 2| 0.91  | 64      | 0.92, 0.92 | 0.72, 0.68 |
/// | 64, 128  | 28 x 28, stride 2| 0.95  | 64      | 1.28       | 1.41       |
///
/// A tap is a task of one thread. Its pixels are copied so that they follow one another, of some samples at a time. Its
/// gradient is written into scratch, and all of them from there to where they belong.
#pragma once

#include <remat/core/destination.hpp>
#include <remat/core/parallel.hpp>
#include <remat/core/thread_scope.hpp>
#include <remat/nn/conv2d_weights.hpp>
#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/each_task.hpp>
#include <remat/nn/onednn_instructions.hpp>
#include <remat/nn/tile_products.hpp>
#include <remat/nn/vectorised.hpp>
#include <remat/nn/window_axis.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

namespace remat::nn::detail {

/// Whether the products of taps take less time than oneDNN's own, of this many pixels of y. Large kernels have many
/// taps, each with its copies, and were slower; so were few pixels.
inline bool multiplies_taps(const conv2d_attributes& a, double share, std::size_t pixels, element factors) {
  using enum onednn::instruction_set;
  const bool is_rounded = factors == element::bfloat16;
  if (onednn::instructions() == other || (is_rounded && onednn::instructions() == amx)) return false;
  if (a.over.groups > 1 || a.kernel.area() == 1) return false;
  if (share > 0.5 && (a.kernel.area() > 16 || pixels < 128)) return false;
  const std::size_t fewest = std::min(a.in, a.out);
  constexpr double of_4_by_4 = 0.72, of_6_by_6 = 0.8, of_7_by_7 = 0.83, of_14_by_14 = 0.92;  // windows of 3 x 3
  if (onednn::is_intel()) return share <= of_4_by_4 && fewest >= 64;
  if (a.over.stride.height > 1 && a.over.stride.width > 1 && a.in >= 128 && a.out >= 256 && share <= of_14_by_14)
    return true;
  if (is_rounded) return share <= of_7_by_7 && fewest >= (share <= of_6_by_6 ? 32 : 64);
  return share <= of_7_by_7 && fewest >= (share <= of_4_by_4 ? 64 : share <= of_6_by_6 ? 256 : 512);
}

REMAT_BEGIN_VECTOR_CODE

/// The rows [begin, end) of (rows, columns, taps) from (taps, rows, columns). Of 512 x 512 windows of 3 x 3 oneDNN's
/// reorder takes 2.6 times as long, and of fewer as long.
REMAT_VECTORISED inline void join_taps(const float* taps, std::size_t count, std::size_t rows, std::size_t columns,
                                       std::size_t begin, std::size_t end, float* to, bool adds) {
  constexpr std::size_t cached = 64;  // columns of all taps
  for (std::size_t r = begin; r < end; ++r)
    for (std::size_t c = 0; c < columns; c += cached)
      for (std::size_t t = 0; t < count; ++t) {
        const std::size_t size = columns - c < cached ? columns - c : cached;
        const float* const from = taps + (t * rows + r) * columns + c;
        float* const out = to + (r * columns + c) * count + t;
        if (adds)
          for (std::size_t i = 0; i < size; ++i) out[i * count] += from[i];
        else
          for (std::size_t i = 0; i < size; ++i) out[i * count] = from[i];
      }
}

REMAT_END_VECTOR_CODE

class tap_products {
 public:
  tap_products() = default;
  /// From x and y's gradient, of this many samples. Factors are what x is of.
  tap_products(const conv2d_attributes& a, const extents& x, const extents& y, std::size_t samples, element factors)
      : a_(a), x_(x), y_(y), batch_(samples), factors_(factors) {
    const window_axis down{a.over.stride.height, a.over.padding.height},
        across{a.over.stride.width, a.over.padding.width};
    for (std::size_t i = 0; i < a.kernel.height; ++i)
      for (std::size_t j = 0; j < a.kernel.width; ++j) {
        const std::size_t row = i * a.over.dilation.height, column = j * a.over.dilation.width;
        taps_.push_back({i * a.kernel.width + j, row, column, down.reaching(row, x.height, y.height),
                         across.reaching(column, x.width, y.width)});
      }
    std::ranges::sort(taps_, [](const tap& one, const tap& other) {
      return one.pixels() != other.pixels() ? one.pixels() > other.pixels() : one.at < other.at;
    });
  }

  /// Of all pixels under the windows, those that are not padding.
  double share() const {
    std::size_t pixels = 0;
    for (const tap& t : taps_) pixels += t.pixels();
    return static_cast<double>(pixels) / static_cast<double>(taps_.size() * y_.area());
  }

  /// Makes the products.
  void prepare() {
    constexpr std::size_t cached = 2 << 20;
    workers_ = std::min(static_cast<std::size_t>(primitive_threads()), taps_.size());
    const std::size_t bytes_of_a_sample = y_.area() * std::max(a_.in, a_.out) * size_of(factors_),
                      many = std::max<std::size_t>(cached / bytes_of_a_sample, 1), parts = (batch_ + many - 1) / many;
    samples_ = (batch_ + parts - 1) / parts;
    room_ = aligned(samples_ * bytes_of_a_sample);
    products_ = tile_products(workers_, factors_);
    for (const tap& t : taps_)
      for (std::size_t first = 0; first < batch_ && t.pixels() > 0; first += samples_)
        products_.want(product_at(first), a_.out, a_.in, samples_from(first) * t.pixels());
  }

  explicit operator bool() const { return workers_ > 0; }
  std::size_t scratch_bytes() const { return gradient_bytes() + workers_ * worker_bytes(); }

  /// The gradient dw (Out, In, KH, KW) from x and dy, which may be of another type than the factors.
  void execute(const const_numbers& x, const const_numbers& dy, const destination& dw, std::byte* scratch) const {
    float* const taps = reinterpret_cast<float*>(scratch);
    each_task(taps_.size(), workers_, [&](std::size_t task, std::size_t worker) {
      multiply(taps_[task], x, dy, taps, scratch + gradient_bytes() + worker * worker_bytes(), worker);
    });
    parallel_for(a_.out, grain_of_rows(a_.in * taps_.size()), [&](std::size_t begin, std::size_t end) {
      join_taps(taps, taps_.size(), a_.out, a_.in, begin, end, dw.data(), dw.accumulates());
    });
  }

 private:
  /// Rows and columns of an image, `step` apart.
  struct pixel_grid {
    std::size_t row, column;
    extents count, step;
  };
  struct tap {
    std::size_t at;           ///< of the kernel's elements
    std::size_t row, column;  ///< from the first pixel of a window
    index_range rows, columns;

    std::size_t pixels() const { return rows.size() * columns.size(); }
    pixel_grid of_y() const { return {rows.begin, columns.begin, {rows.size(), columns.size()}, 1}; }
    pixel_grid of_x(const window& over) const {
      return {rows.begin * over.stride.height + row - over.padding.height,
              columns.begin * over.stride.width + column - over.padding.width,
              {rows.size(), columns.size()},
              over.stride};
    }
  };
  struct images {
    const const_numbers& numbers;
    const extents& size;
    std::size_t channels;
  };

  /// The gradient of a tap, of (KH, KW, Out, In).
  void multiply(const tap& t, const const_numbers& x, const const_numbers& dy, float* taps, std::byte* scratch,
                std::size_t worker) const {
    float* const to = taps + t.at * a_.in * a_.out;
    if (t.pixels() == 0) return static_cast<void>(std::memset(to, 0, a_.in * a_.out * sizeof(float)));
    std::byte *const room = scratch, *const of_dy = room + room_, *const own = of_dy + room_;
    for (std::size_t first = 0; first < batch_; first += samples_) {
      const std::size_t samples = samples_from(first);
      const std::byte* const left = picked({dy, y_, a_.out}, t.of_y(), first, samples, of_dy);
      const std::byte* const right = picked({x, x_, a_.in}, t.of_x(a_.over), first, samples, room);
      products_.execute(product_at(first), a_.out, a_.in, samples * t.pixels(), left, right, to, own, worker);
    }
  }

  static tile_product product_at(std::size_t first) {
    return first == 0 ? tile_product::of_transposed : tile_product::added_of_transposed;
  }
  std::size_t samples_from(std::size_t first) const { return std::min(samples_, batch_ - first); }
  std::size_t gradient_bytes() const { return aligned(taps_.size() * a_.in * a_.out * sizeof(float)); }
  std::size_t worker_bytes() const { return 2 * room_ + aligned(products_.scratch_bytes()); }

  /// These pixels of some samples, one after another: where they are, if they are all, or in `room`.
  const std::byte* picked(const images& from, const pixel_grid& which, std::size_t first, std::size_t samples,
                          std::byte* room) const {
    const auto& [all, size, channels] = from;
    if (which.count == size && all.type == factors_)
      return all.data + first * size.area() * channels * size_of(factors_);
    const numbers to{room, samples * which.count.area() * channels, factors_};
    const std::size_t run = which.step.width == 1 ? which.count.width : 1;  // pixels that follow one another
    std::size_t at = 0;
    for (std::size_t n = first; n < first + samples; ++n)
      for (std::size_t i = 0; i < which.count.height; ++i) {
        const std::size_t row = (n * size.height + which.row + i * which.step.height) * size.width + which.column;
        for (std::size_t j = 0; j < which.count.width; j += run, at += run * channels)
          copy_some(all, (row + j * which.step.width) * channels, to, at, run * channels);
      }
    return room;
  }

  conv2d_attributes a_{};
  extents x_ = 1, y_ = 1;
  std::size_t batch_ = 0;
  element factors_ = element::float32;
  std::vector<tap> taps_;  ///< those with most pixels first
  std::size_t workers_ = 0, samples_ = 0;
  std::size_t room_ = 0;  ///< bytes of copies
  tile_products products_;
};

}  // namespace remat::nn::detail
