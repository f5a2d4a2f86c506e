// SPDX-License-Identifier: MIT
/// Logarithm of the softmax over the classes: of (C), or over the channels of (C, H, W), pixel by pixel.
///
///     forward   y = x - m - log(sum of exp(x - m)),  m the largest x
///     backward  dx = dy - exp(y) * (sum of dy)      reads the output
///
/// Backward is oneDNN's. Forward is our own: oneDNN 2.6 approximates the logarithm to 4e-6, which a confident network's
/// loss and a balanced batch's gradients show.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/scratch.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

// Products and sums are rounded one by one, whatever flags the user compiles with.
#if !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O3", "fp-contract=off")
#endif

/// exp(x) for x <= 0, to about one unit in the last place; 0 below -87. A NaN stays one. Range reduction by ln 2 in two
/// parts and a polynomial (Cephes, Moshier 1989); no branch, so that a loop over it vectorises.
inline float exponential(float x) {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
  constexpr float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float clamped = x < -87.0f ? -87.0f : x;
  const float shifted = clamped * 1.44269504f + shift;
  const float n = shifted - shift;
  const float r = clamped - n * 0.693359375f - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const float power =
      std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(shift) + 127) << 23);
  return x < -87.0f ? 0.0f : p * power;
}

/// Rows [begin, end) of (rows, classes). The sum has 16 lanes and one order, whatever the width of the vectors: where
/// the compiler can choose among instruction sets at run time (x86-64 with glibc), all of them give the same bits.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
inline void
log_softmax_rows(const float* x, float* y, std::size_t classes, std::size_t begin, std::size_t end) {
  constexpr std::size_t lanes = 16;
  for (std::size_t row = begin; row < end; ++row) {
    const float* const in = x + row * classes;
    float* const out = y + row * classes;
    float maxima[lanes], sums[lanes] = {};
    std::size_t c = 0;
    for (float& m : maxima) m = in[0];
    for (; c + lanes <= classes; c += lanes)
      for (std::size_t lane = 0; lane < lanes; ++lane)
        maxima[lane] = in[c + lane] > maxima[lane] ? in[c + lane] : maxima[lane];
    for (std::size_t lane = 0; c + lane < classes; ++lane)
      maxima[lane] = in[c + lane] > maxima[lane] ? in[c + lane] : maxima[lane];
    float largest = maxima[0];
    for (const float m : maxima) largest = m > largest ? m : largest;
    c = 0;
    for (; c + lanes <= classes; c += lanes)
      for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] += exponential(in[c + lane] - largest);
    for (std::size_t lane = 0; c + lane < classes; ++lane) sums[lane] += exponential(in[c + lane] - largest);
    double sum = 0;
    for (float s : sums) sum += static_cast<double>(s);
    const float shift = static_cast<float>(std::log(sum));
    for (std::size_t k = 0; k < classes; ++k) out[k] = in[k] - largest - shift;
  }
}

#if !defined(__clang__)
#pragma GCC pop_options
#endif

struct prepared_log_softmax : prepared {
  onednn::primitive backward;

  explicit prepared_log_softmax(const preparation& p) {
    if (!p.backward_input) return;
    const std::size_t classes = p.inputs[0].channels(), rows = p.inputs[0].elements(p.batch) / classes;
    const onednn::layout x = onednn::layout::row_major({rows, classes});
    backward = onednn::log_softmax_backward(x);
    reserve_scratch(*this, p.accumulates_input ? x.bytes() : 0, backward);
  }
};

struct log_softmax_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_log_softmax>(p); }

  static void forward(const forward_pass& pass) {
    const std::span<const float> x = pass.input();
    float* const y = pass.output().data();
    const std::size_t classes = pass.input_shape().channels();
    parallel_for(x.size() / classes, 1 + 2048 / classes, [=, from = x.data()](std::size_t begin, std::size_t end) {
      log_softmax_rows(from, y, classes, begin, end);
    });
  }
  static void backward_input(const backward_pass& pass) {
    write_or_add(pass.input_gradient(), pass.scratch(), [&](float* dx, std::byte* scratch) {
      pass.prepared_as<prepared_log_softmax>().backward.execute(
          scratch, {{onednn::result, pass.output().data()},
                    {onednn::result_gradient, pass.output_gradient().data()},
                    {onednn::source_gradient, dx}});
    });
  }
};

}  // namespace detail

struct log_softmax : module {
  static constexpr std::string_view kind = "log_softmax";
  template <std::size_t C>
  static tensor<float, C> output(tensor<float, C>);
  template <std::size_t C, std::size_t H, std::size_t W>
  static tensor<float, C, H, W> output(tensor<float, C, H, W>);
  static constexpr reads backward_input_reads = reads::outputs;
  static constexpr bool in_place = true;
  static constexpr double flops(const tensor_shape& input, const tensor_shape&) {
    return 8.0 * static_cast<double>(input.elements());
  }

  using kernels = detail::log_softmax_kernels;
};

}  // namespace remat::nn
