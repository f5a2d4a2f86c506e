// SPDX-License-Identifier: MIT
/// The relu that is fused into a linear layer or a convolution, which lets a NaN through as PyTorch's does.
///
/// oneDNN's own takes a NaN for less than 0, and writes 0 for it. A NaN comes from a number of x, W or b that is not
/// finite (sums that overflow aside), and such a number shows in what is written:
///
///   - in x: at each pixel whose window holds it, no output channel is positive and finite;
///   - in W or b: at each pixel whose window is within the image, that output channel is neither.
///
/// So a few numbers of y tell where to look: the first channels of pixels whose windows cover x, and some pixels of
/// each channel. Where they are suspicious (which blank images and channels that are always 0 are, too) the window or
/// the channel's weights are read. What is too small for that, or in groups, has its relu in a loop of ours after the
/// product.
#pragma once

#include <remat/core/activation.hpp>
#include <remat/core/kernel.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/relu_loops.hpp>
#include <remat/nn/window.hpp>
#include <remat/nn/window_axis.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <limits>

namespace remat::nn::detail {

class fused_relu {
 public:
  /// Where y (samples, rows, columns, out) sums x (samples, height, width, in) times W (out, in, kernel). A linear
  /// layer has images of one pixel.
  struct sums {
    std::size_t samples;
    std::size_t in, height = 1, width = 1;
    std::size_t out, rows = 1, columns = 1;
    extents kernel = 1;
    window over = {.stride = 1};
  };

  fused_relu() = default;
  fused_relu(activation after, const sums& s)
      : sums_(s),
        down_{s.over.stride.height, s.over.padding.height, reach(s.kernel, s.over.dilation).height},
        across_{s.over.stride.width, s.over.padding.width, reach(s.kernel, s.over.dilation).width},
        acts_(after == activation::relu),
        inner_rows_(down_.inner(s.height, s.rows)),
        inner_columns_(across_.inner(s.width, s.columns)) {
    const std::size_t inner = s.samples * inner_rows_.size() * inner_columns_.size();
    is_in_product_ = s.over.groups == 1 && s.out >= looks / 2 && inner >= std::max(looks, weights_of_a_channel());
    primitive_applies_ = acts_ && !is_in_product_ ? activation::none : after;
  }

  /// What the primitive is to apply.
  activation in_primitive() const { return primitive_applies_; }

  /// After the primitive; `b` may be null. x and y are of float32 or bfloat16.
  void finish(const const_numbers& x, const float* w, const float* b, const numbers& y) const {
    if (!acts_) return;
    const bool rounded_y = y.type == element::bfloat16;
    if (x.type == element::bfloat16)
      rounded_y ? finish_as<bfloat16, bfloat16>(x, w, b, y) : finish_as<bfloat16, float>(x, w, b, y);
    else
      rounded_y ? finish_as<float, bfloat16>(x, w, b, y) : finish_as<float, float>(x, w, b, y);
  }

 private:
  template <class X, class Y>
  struct tensors {
    const X* x;
    const float *w, *b;
    Y* y;
  };
  struct pixel {
    std::size_t sample, row, column;
  };

  /// Pixels at which a channel is looked at: where a relu is 0 half of the time, one of 65,536 channels is suspicious.
  static constexpr std::size_t looks = 16;

  std::size_t pixels() const { return sums_.samples * sums_.rows * sums_.columns; }
  std::size_t weights_of_a_channel() const { return sums_.in * sums_.kernel.area(); }

  template <class X, class Y>
  void finish_as(const const_numbers& x, const float* w, const float* b, const numbers& to) const {
    Y* const y = reinterpret_cast<Y*>(to.data);
    if (!is_in_product_)
      return parallel_for(pixels() * sums_.out, grain_of_numbers,
                          [y](std::size_t begin, std::size_t end) { rectify(y + begin, end - begin); });
    const tensors<X, Y> t{reinterpret_cast<const X*>(x.data), w, b, y};
    if (x_is_suspicious(t)) mend_pixels(t);
    mend_channels(t);
  }

  template <class X, class Y>
  bool window_has_non_finite(const tensors<X, Y>& t, const pixel& at) const {
    const auto& s = sums_;
    const index_range rows = down_.covered(at.row, s.height), columns = across_.covered(at.column, s.width);
    for (std::size_t h = rows.begin; h < rows.end; ++h)
      if (has_non_finite(t.x + ((at.sample * s.height + h) * s.width + columns.begin) * s.in, columns.size() * s.in))
        return true;
    return false;
  }

  /// Looks at pixels whose windows, one next to the other, cover what all windows do.
  template <class X, class Y>
  bool x_is_suspicious(const tensors<X, Y>& t) const {
    const auto& s = sums_;
    const std::size_t down = down_.step(s.over.dilation.height), across = across_.step(s.over.dilation.width),
                      lines = (s.rows - 1 + down - 1) / down + 1, few = std::min(s.out, looks);
    std::atomic<bool> found = false;
    const auto look = [&](std::size_t begin, std::size_t end) {
      for (std::size_t l = begin; l < end && !found.load(std::memory_order_relaxed); ++l) {
        const std::size_t sample = l / lines, row = std::min(l % lines * down, s.rows - 1);
        for (std::size_t i = 0;; i += across) {
          const pixel at{sample, row, std::min(i, s.columns - 1)};
          const Y* const y = t.y + index(at) * s.out;
          if (!has_positive(y, few) && window_has_non_finite(t, at)) found.store(true, std::memory_order_relaxed);
          if (at.column == s.columns - 1) break;
        }
      }
    };
    parallel_for(s.samples * lines, 1 + 1024 / s.columns, look);
    return found;
  }

  template <class X, class Y>
  void mend_pixels(const tensors<X, Y>& t) const {
    parallel_for(pixels(), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i)
        if (window_has_non_finite(t, pixel_at(i)))
          for (std::size_t o = 0; o < sums_.out; ++o) mend(t, i, o);
    });
  }

  template <class X, class Y>
  void mend_channels(const tensors<X, Y>& t) const {
    const std::size_t size = weights_of_a_channel();
    parallel_for(sums_.out, 256, [&](std::size_t begin, std::size_t end) {
      for (std::size_t o = begin; o < end; ++o) {
        if (is_positive_somewhere(t.y, o)) continue;
        if (!has_non_finite(t.w + o * size, size) && (t.b == nullptr || std::isfinite(t.b[o]))) continue;
        for (std::size_t i = 0; i < pixels(); ++i) mend(t, i, o);
      }
    });
  }

  template <class Y>
  bool is_positive_somewhere(const Y* y, std::size_t channel) const {
    const std::size_t width = inner_columns_.size(), image = inner_rows_.size() * width;
    for (std::size_t k = 0; k < looks; ++k) {
      const std::size_t i = k * sums_.samples * image / looks;
      const pixel at{i / image, inner_rows_.begin + i % image / width, inner_columns_.begin + i % width};
      if (has_positive(y + index(at) * sums_.out + channel, 1)) return true;
    }
    return false;
  }

  template <class X, class Y>
  void mend(const tensors<X, Y>& t, std::size_t pixel_index, std::size_t channel) const {
    if (sums_to_nan(t, pixel_at(pixel_index), channel))
      t.y[pixel_index * sums_.out + channel] = Y(std::numeric_limits<float>::quiet_NaN());
  }

  /// Whether the products that are not finite add up to NaN.
  template <class X, class Y>
  bool sums_to_nan(const tensors<X, Y>& t, const pixel& to, std::size_t channel) const {
    const auto& s = sums_;
    const float* const w = t.w + channel * weights_of_a_channel();
    float sum = t.b == nullptr || std::isfinite(t.b[channel]) ? 0.0f : t.b[channel];
    for (std::size_t i = 0; i < s.kernel.height; ++i)
      for (std::size_t j = 0; j < s.kernel.width; ++j) {
        const std::size_t h = to.row * down_.stride + i * s.over.dilation.height - down_.padding,  // too large before
            v = to.column * across_.stride + j * s.over.dilation.width - across_.padding;          // the first
        if (h >= s.height || v >= s.width) continue;
        const X* const x = t.x + ((to.sample * s.height + h) * s.width + v) * s.in;
        for (std::size_t c = 0; c < s.in && !std::isnan(sum); ++c) {
          const float weight = w[(c * s.kernel.height + i) * s.kernel.width + j], factor = static_cast<float>(x[c]);
          if (!std::isfinite(factor) || !std::isfinite(weight)) sum += factor * weight;
        }
      }
    return std::isnan(sum);
  }

  std::size_t index(const pixel& p) const { return (p.sample * sums_.rows + p.row) * sums_.columns + p.column; }
  pixel pixel_at(std::size_t index) const {
    const std::size_t row = index / sums_.columns;
    return {row / sums_.rows, row % sums_.rows, index % sums_.columns};
  }

  sums sums_{};
  window_axis down_, across_;
  bool acts_ = false, is_in_product_ = false;
  activation primitive_applies_ = activation::none;
  index_range inner_rows_, inner_columns_;
};

}  // namespace remat::nn::detail
