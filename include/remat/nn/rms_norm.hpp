// SPDX-License-Identifier: MIT
/// Root mean square normalisation (Zhang, Sennrich 2019) of each row: of (D), of each row of (T, D), and so on.
///
///     forward               y  = x r w,  r = 1 / sqrt(mean of x^2 + epsilon)
///     backward, input       dx = r (g - x r^2 (mean of x g)),  g = dy w
///     backward, parameters  dw = sum of dy x r over the rows
///
/// Both halves read the input and one number a row that forward leaves, r; where both are wanted, one pass over the
/// rows gives both. Sums over rows are taken as those of layer_norm are.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/floats.hpp>
#include <remat/nn/norm_options.hpp>
#include <remat/nn/normalised_rows.hpp>
#include <remat/nn/row_rooms.hpp>
#include <remat/nn/rows.hpp>
#include <remat/nn/sum_rows.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

struct rms_norm_attributes {
  std::size_t width;
  double epsilon;
};

/// The tensors of a backward pass; without `dx` or without `dw`, that half is left out.
struct rms_norm_gradients {
  const float *x, *w, *r, *dy;
  float* dx;
  bool adds;
};

REMAT_BEGIN_VECTOR_CODE

/// Of (rows, size); y may be x. `rs` may be null.
REMAT_VECTORISED inline void rms_norm_rows(const float* x, const float* w, float* y, float* rs, double epsilon,
                                           std::size_t size, std::size_t rows) {
  const double count = static_cast<double>(size);
  for (std::size_t row = 0; row < rows; ++row) {
    const float* const in = x + row * size;
    float* const out = y + row * size;
    const double squares = sum_of(0, size, [=](std::size_t c) { return in[c] * in[c]; });
    const float r = static_cast<float>(1 / std::sqrt(squares / count + epsilon));
    REMAT_INDEPENDENT
    for (std::size_t c = 0; c < size; ++c) out[c] = in[c] * r * w[c];
    if (rs != nullptr) rs[row] = r;
  }
}

/// Rows of dx, and their part of dw (size), which starts at 0.
REMAT_VECTORISED inline void rms_norm_rows_backward(const rms_norm_gradients& t, float* dw, std::size_t size,
                                                    std::size_t rows) {
  const float* const w = t.w;
  for (std::size_t row = 0; row < rows; ++row) {
    const float *const x = t.x + row * size, *const dy = t.dy + row * size;
    const float r = t.r[row];
    if (dw != nullptr) {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < size; ++c) dw[c] += dy[c] * (x[c] * r);
    }
    if (t.dx == nullptr) continue;
    float* const dx = t.dx + row * size;
    const double sum = sum_of(0, size, [=](std::size_t c) { return dy[c] * w[c] * (x[c] * r); });
    const float mean = static_cast<float>(sum / static_cast<double>(size));
    const bool adds = t.adds;
    REMAT_INDEPENDENT
    for (std::size_t c = 0; c < size; ++c) {
      const float gradient = r * (dy[c] * w[c] - x[c] * r * mean);
      dx[c] = adds ? dx[c] + gradient : gradient;
    }
  }
}

REMAT_END_VECTOR_CODE

struct prepared_rms_norm : prepared {
  row_blocks blocks;
  row_rooms rooms;

  explicit prepared_rms_norm(const preparation& p) {
    const std::size_t width = p.attributes<rms_norm_attributes>().width;
    blocks = row_blocks(p.inputs[0].elements(p.batch) / width);
    if (p.backward_parameters) scratch_bytes = blocks.count * width * sizeof(float);
    rooms = row_rooms(*this, p, width, scratch_bytes);
  }
};

struct rms_norm_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_rms_norm>(p); }

  static void forward(const forward_pass& pass) {
    const auto [width, epsilon] = pass.attributes<rms_norm_attributes>();
    const float* const w = pass.parameter(0).data();
    float* const rs = pass.saved(0).data();
    pass.prepared_as<prepared_rms_norm>().rooms.in_rows(
        std::array{pass.input_numbers()}, pass.output_numbers(), pass.scratch(),
        [=, size = width, e = epsilon](const auto& x, float* y, std::size_t first, std::size_t count) {
          rms_norm_rows(x[0], w, y, rs == nullptr ? nullptr : rs + first / size, e, size, count / size);
        });
  }
  static void backward_input(const backward_pass& pass) { run(pass, true, false); }
  static void backward_parameters(const backward_pass& pass) { run(pass, false, true); }
  static void backward(const backward_pass& pass) { run(pass, true, true); }

 private:
  static void run(const backward_pass& pass, bool input, bool parameters) {
    const std::size_t width = pass.attributes<rms_norm_attributes>().width;
    const auto& state = pass.prepared_as<prepared_rms_norm>();
    const row_blocks& blocks = state.blocks;
    const float *const w = pass.parameter(0).data(), *const rs = pass.saved(0).data();
    const numbers dx = input ? pass.input_gradient_numbers() : numbers{};
    const std::array read{pass.input_numbers(), pass.output_gradient_numbers()};
    float* const dw = parameters ? reinterpret_cast<float*>(pass.scratch()) : nullptr;  // (blocks, width)
    blocks.for_each([=, &state, &pass](std::size_t block, std::size_t first, std::size_t last) {
      float* const part = dw == nullptr ? nullptr : dw + block * width;
      for (std::size_t c = 0; part != nullptr && c < width; ++c) part[c] = 0;
      in_parts_of(
          read, dx, first * width, last * width, width,
          [=](const auto& from, float* to, std::size_t at, std::size_t count) {
            rms_norm_rows_backward({from[0], w, rs + at / width, from[1], to, dx.accumulates}, part, width,
                                   count / width);
          },
          state.rooms.of(pass.scratch(), block));
    });
    if (parameters) sum_rows(dw, blocks.count, width, pass.parameter_gradient(0));
  }
};

template <std::size_t D>
struct rms_norm_size {
  static constexpr bool holds = true;
  static_assert(D > 0, "remat: an rms_norm has at least one element in a row; give it more");
};

}  // namespace detail

/// PyTorch's `RMSNorm(D, eps=1e-5)`, Hugging Face's `LlamaRMSNorm`; takes (D), (T, D) and so on.
template <std::size_t D, norm_options Options = norm_options{}>
struct rms_norm : detail::normalises_rows<D> {
  static_assert(detail::rms_norm_size<D>::holds);
  static_assert(detail::norm_epsilon<Options>::holds);

  static constexpr std::string_view kind = "rms_norm";
  /// 1 / the root of the mean of the squares of each row.
  template <class X, class Number = decltype(detail::normalises_rows<D>::of_rows(X{}))>
  static Number saved_shape(X);
  static constexpr reads backward_input_reads = reads::inputs | reads::saved;
  static constexpr reads backward_parameters_reads = reads::inputs | reads::saved;
  static constexpr traits is{.in_place = true, .takes_bfloat16 = true, .gives_bfloat16 = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 5.0 * static_cast<double>(inputs[0].elements());
  }

  static constexpr std::array parameters{parameter("weight", {D}, initial::constant(1))};
  static constexpr detail::rms_norm_attributes attributes{D, Options.epsilon};
  using kernels = detail::rms_norm_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::rms_norm_kernels)
