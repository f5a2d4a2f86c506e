// SPDX-License-Identifier: MIT
/// Layer normalisation (Ba et al. 2016) of each row: of (D), of each row of (T, D), and so on.
///
///     forward               y  = h w + b,  h = (x - mean) r,  r = 1 / sqrt(variance + epsilon)
///     backward, input       dx = r (g - mean of g - h (mean of g h)),  g = dy w
///     backward, parameters  dw = sum of dy h over the rows,  db = sum of dy
///
/// Both halves read the input and two numbers a row that forward leaves, mean and r; where both are wanted, one pass
/// over the rows gives both. Sums over rows are taken in up to 64 blocks, whose number depends on the rows alone, and
/// then in their order.
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

struct layer_norm_attributes {
  std::size_t width;
  double epsilon;
};

/// The tensors of a backward pass; without `dx` or without `dw` and `db`, that half is left out.
struct layer_norm_gradients {
  const float *x, *w, *mean, *r, *dy;
  float* dx;
  bool adds;
};

REMAT_BEGIN_VECTOR_CODE

/// Of (rows, size); y may be x. `means` and `rs` may be null.
REMAT_VECTORISED inline void layer_norm_rows(const float* x, const float* w, const float* b, float* y, float* means,
                                             float* rs, double epsilon, std::size_t size, std::size_t rows) {
  const double count = static_cast<double>(size);
  for (std::size_t row = 0; row < rows; ++row) {
    const float* const in = x + row * size;
    float* const out = y + row * size;
    const float mean = static_cast<float>(sum_of(0, size, [=](std::size_t c) { return in[c]; }) / count);
    const double squares = sum_of(0, size, [=](std::size_t c) { return (in[c] - mean) * (in[c] - mean); });
    const float r = static_cast<float>(1 / std::sqrt(squares / count + epsilon));
    REMAT_INDEPENDENT
    for (std::size_t c = 0; c < size; ++c) out[c] = (in[c] - mean) * r * w[c] + b[c];
    if (means != nullptr) means[row] = mean;
    if (rs != nullptr) rs[row] = r;
  }
}

/// Rows of dx, and their part of dw and db, (size) each, which starts at 0.
REMAT_VECTORISED inline void layer_norm_rows_backward(const layer_norm_gradients& t, float* dw, float* db,
                                                      std::size_t size, std::size_t rows) {
  const float* const w = t.w;
  for (std::size_t row = 0; row < rows; ++row) {
    const float *const x = t.x + row * size, *const dy = t.dy + row * size;
    const float mean = t.mean[row], r = t.r[row];
    if (dw != nullptr) {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < size; ++c) {
        dw[c] += dy[c] * ((x[c] - mean) * r);
        db[c] += dy[c];
      }
    }
    if (t.dx == nullptr) continue;
    float* const dx = t.dx + row * size;
    const double count = static_cast<double>(size);
    const float mean_g = static_cast<float>(sum_of(0, size, [=](std::size_t c) { return dy[c] * w[c]; }) / count);
    const float mean_gh =
        static_cast<float>(sum_of(0, size, [=](std::size_t c) { return dy[c] * w[c] * ((x[c] - mean) * r); }) / count);
    if (t.adds) {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < size; ++c) dx[c] += r * (dy[c] * w[c] - mean_g - (x[c] - mean) * r * mean_gh);
    } else {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < size; ++c) dx[c] = r * (dy[c] * w[c] - mean_g - (x[c] - mean) * r * mean_gh);
    }
  }
}

REMAT_END_VECTOR_CODE

struct prepared_layer_norm : prepared {
  row_blocks blocks;
  row_rooms rooms;

  explicit prepared_layer_norm(const preparation& p) {
    const std::size_t width = p.attributes<layer_norm_attributes>().width;
    blocks = row_blocks(p.inputs[0].elements(p.batch) / width);
    if (p.backward_parameters) scratch_bytes = blocks.count * 2 * width * sizeof(float);
    rooms = row_rooms(*this, p, width, scratch_bytes);
  }
};

struct layer_norm_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_layer_norm>(p); }

  static void forward(const forward_pass& pass) {
    const auto [width, epsilon] = pass.attributes<layer_norm_attributes>();
    const float *const w = pass.parameter(0).data(), *const b = pass.parameter(1).data();
    float *const means = pass.saved(0).data(), *const rs = pass.saved(1).data();
    pass.prepared_as<prepared_layer_norm>().rooms.in_rows(
        std::array{pass.input_numbers()}, pass.output_numbers(), pass.scratch(),
        [=, size = width, e = epsilon](const auto& x, float* y, std::size_t first, std::size_t count) {
          const auto from = [row = first / size](float* values) { return values == nullptr ? nullptr : values + row; };
          layer_norm_rows(x[0], w, b, y, from(means), from(rs), e, size, count / size);
        });
  }
  static void backward_input(const backward_pass& pass) { run(pass, true, false); }
  static void backward_parameters(const backward_pass& pass) { run(pass, false, true); }
  static void backward(const backward_pass& pass) { run(pass, true, true); }

 private:
  static void run(const backward_pass& pass, bool input, bool parameters) {
    const std::size_t width = pass.attributes<layer_norm_attributes>().width;
    const auto& state = pass.prepared_as<prepared_layer_norm>();
    const row_blocks& blocks = state.blocks;
    const float *const w = pass.parameter(0).data(), *const means = pass.saved(0).data(),
                       *const rs = pass.saved(1).data();
    const numbers dx = input ? pass.input_gradient_numbers() : numbers{};
    const std::array read{pass.input_numbers(), pass.output_gradient_numbers()};
    float* const dw = parameters ? reinterpret_cast<float*>(pass.scratch()) : nullptr;  // (blocks, width)
    float* const db = parameters ? dw + blocks.count * width : nullptr;                 // likewise
    blocks.for_each([=, &state, &pass](std::size_t block, std::size_t first, std::size_t last) {
      float *const dw_part = parameters ? dw + block * width : nullptr, *const db_part =
                                                                            parameters ? db + block * width : nullptr;
      for (std::size_t c = 0; parameters && c < width; ++c) dw_part[c] = db_part[c] = 0;
      in_parts_of(
          read, dx, first * width, last * width, width,
          [=](const auto& from, float* to, std::size_t at, std::size_t count) {
            const std::size_t row = at / width;
            layer_norm_rows_backward({from[0], w, means + row, rs + row, from[1], to, dx.accumulates}, dw_part, db_part,
                                     width, count / width);
          },
          state.rooms.of(pass.scratch(), block));
    });
    if (!parameters) return;
    sum_rows(dw, blocks.count, width, pass.parameter_gradient(0));
    sum_rows(db, blocks.count, width, pass.parameter_gradient(1));
  }
};

template <std::size_t D>
struct layer_norm_size {
  static constexpr bool holds = true;
  static_assert(D > 0, "remat: a layer_norm has at least one element in a row; give it more");
};

}  // namespace detail

/// PyTorch's `LayerNorm(D, eps=1e-5)`; takes (D), (T, D) and so on.
template <std::size_t D, norm_options Options = norm_options{}>
struct layer_norm : detail::normalises_rows<D> {
  static_assert(detail::layer_norm_size<D>::holds);
  static_assert(detail::norm_epsilon<Options>::holds);

  static constexpr std::string_view kind = "layer_norm";
  /// The mean of each row, and 1 / its deviation.
  template <class X, class Number = decltype(detail::normalises_rows<D>::of_rows(X{}))>
  static tensors<Number, Number> saved_shape(X);
  static constexpr reads backward_input_reads = reads::inputs | reads::saved;
  static constexpr reads backward_parameters_reads = reads::inputs | reads::saved;
  static constexpr traits is{.in_place = true, .takes_bfloat16 = true, .gives_bfloat16 = true};
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 8.0 * static_cast<double>(inputs[0].elements());
  }

  static constexpr std::array parameters{parameter("weight", {D}, initial::constant(1)),
                                         parameter("bias", {D}, initial::constant(0))};
  static constexpr detail::layer_norm_attributes attributes{D, Options.epsilon};
  using kernels = detail::layer_norm_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::layer_norm_kernels)
