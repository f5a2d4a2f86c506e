// SPDX-License-Identifier: MIT
/// An image times a number for each of its channels, as a squeeze-and-excitation has it (Hu, Shen and Sun 2018):
///
///     forward         y (N, H, W, C) = x (N, H, W, C) s (N, C)
///     backward, input dx = dy s, ds = sum over pixels of dy x       reads the inputs
///
/// A join of an image and of an image of one pixel, in either order:
///
///     using squeeze = sequential<nn::adaptive_avg_pool2d<1>, nn::conv2d<C, C / 16, 1>, nn::relu,
///                                nn::conv2d<C / 16, C, 1>, nn::sigmoid>;
///     residual<squeeze, identity, nn::scale_channels>
#pragma once

#include <remat/core/module.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/floats.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

namespace remat::nn {
namespace detail {

/// An image and the numbers of its channels, as the inputs of a kernel: some channels of a sample at a time, of which
/// the numbers stay in the nearest cache.
class scaled_image {
 public:
  static constexpr std::size_t most = 256;  ///< channels at a time

  int image = 0, scale = 1;  ///< which of the inputs

  explicit scaled_image(const kernel_pass& pass) : samples_(pass.batch()) {
    if (pass.input_shape(0).elements() < pass.input_shape(1).elements()) std::swap(image, scale);
    channels_ = pass.input_shape(image).channels();
    pixels_ = pass.input_shape(image).elements() / channels_;
  }

  /// f(the first of the numbers of these channels, their first element in the image, how many they are)
  template <class F>
  void for_each_part(const F& f) const {
    const std::size_t parts = (channels_ + most - 1) / most;
    parallel_for(samples_ * parts, 1 + grain_of_numbers / (pixels_ * most), [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const std::size_t n = i / parts, c = i % parts * most;
        f(n * channels_ + c, n * pixels_ * channels_ + c, std::min(most, channels_ - c));
      }
    });
  }
  /// to = x s at each pixel, from element `at` on.
  void multiply(const const_numbers& x, const float* s, const numbers& to, std::size_t at, std::size_t count) const {
    float read[most], written[most];
    const floats_in in(x);
    const floats_out out(to);
    for (std::size_t p = 0; p < pixels_; ++p, at += channels_) {
      const float* const a = in.at(at, count, read);
      float* const y = out.at(at, written);
      if (to.accumulates)
        in_lanes(0, count, [=](std::size_t k) { y[k] += a[k] * s[k]; });
      else
        in_lanes(0, count, [=](std::size_t k) { y[k] = a[k] * s[k]; });
      out.finish(at, count, y);
    }
  }
  /// The sums of x dy over the pixels, from element `at` on: of blocks of pixels, which are added in their order.
  void sum_products(const const_numbers& x, const const_numbers& dy, std::size_t at, std::size_t count,
                    float* sums) const {
    constexpr std::size_t block = 64;
    float read[2][most], parts[most];
    std::fill_n(sums, count, 0.0f);
    for (std::size_t first = 0; first < pixels_; first += block) {
      float* const part = parts;
      std::fill_n(part, count, 0.0f);
      for (std::size_t p = first; p < std::min(first + block, pixels_); ++p) {
        const std::size_t from = at + p * channels_;
        const float *const a = floats_in(x).at(from, count, read[0]), *const b = floats_in(dy).at(from, count, read[1]);
        in_lanes(0, count, [=](std::size_t k) { part[k] += a[k] * b[k]; });
      }
      in_lanes(0, count, [=](std::size_t k) { sums[k] += part[k]; });
    }
  }

 private:
  std::size_t samples_, channels_ = 0, pixels_ = 0;
};

}  // namespace detail

struct scale_channels : module {
  static constexpr std::string_view kind = "scale_channels";
  template <std::size_t C, std::size_t H, std::size_t W>
  static image<float, C, H, W> output(image<float, C, H, W>, image<float, C, 1, 1>);
  template <std::size_t C, std::size_t H, std::size_t W>
    requires(H* W > 1)
  static image<float, C, H, W> output(image<float, C, 1, 1>, image<float, C, H, W>);
  static constexpr reads backward_input_reads = reads::inputs;
  static constexpr traits is{.takes_bfloat16 = true, .gives_bfloat16 = true, .computes_samples_apart = true};

  static void forward(const forward_pass& pass) {
    const detail::scaled_image of(pass);
    const const_numbers x = pass.input_numbers(of.image), s = pass.input_numbers(of.scale);
    of.for_each_part([&](std::size_t channel, std::size_t at, std::size_t count) {
      float room[detail::scaled_image::most];
      of.multiply(x, detail::floats_in(s).at(channel, count, room), pass.output_numbers(), at, count);
    });
  }

  static void backward_input(const backward_pass& pass) {
    const detail::scaled_image of(pass);
    const const_numbers x = pass.input_numbers(of.image), s = pass.input_numbers(of.scale),
                        dy = pass.output_gradient_numbers();
    of.for_each_part([&](std::size_t channel, std::size_t at, std::size_t count) {
      float room[detail::scaled_image::most], sums[detail::scaled_image::most];
      const float* const numbers_of_channels = detail::floats_in(s).at(channel, count, room);
      if (pass.wants_input_gradient(of.scale)) {
        of.sum_products(x, dy, at, count, sums);
        copy_some({reinterpret_cast<const std::byte*>(sums), count}, 0, pass.input_gradient_numbers(of.scale), channel,
                  count);
      }
      if (pass.wants_input_gradient(of.image))
        of.multiply(dy, numbers_of_channels, pass.input_gradient_numbers(of.image), at, count);
    });
  }
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(scale_channels)
