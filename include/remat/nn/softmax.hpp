// SPDX-License-Identifier: MIT
/// The softmax of each row: of (C), of each row of (T, C), or over the channels of (C, H, W), pixel by pixel.
///
///     forward   y  = exp(x - m) / (sum of exp(x - m)),  m the largest x
///     backward  dx = y (dy - sum of y dy)      reads the output
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/row_rooms.hpp>
#include <remat/nn/rows.hpp>
#include <remat/nn/short_rows.hpp>
#include <remat/nn/softmax_columns.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

REMAT_BEGIN_VECTOR_CODE

/// Rows [begin, end) of (rows, size) of few elements; y may be x.
template <bool InRegisters>
[[gnu::always_inline]] inline void softmax_short_rows_in(const float* x, float* y, std::size_t size, std::size_t begin,
                                                         std::size_t end) {
  short_rows copy, work, spread;
  float *const e = work.elements, *const each = spread.elements, of_rows[rows_at_once];
  const std::size_t all = rows_at_once * size;
  for (std::size_t first = begin * size; first < end * size; first += all) {
    const std::size_t left = end * size - first, count = left < all ? left : all;
    const float* const in = whole_rows(x + first, left, size, copy);
    fold_rows<larger_of_two, InRegisters>(in, size, of_rows);
    spread_rows(of_rows, size, each);
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < all; ++k) e[k] = exponential(in[k] - each[k]);
    fold_rows<sum_of_two, InRegisters>(e, size, of_rows);
    for (float& sum : of_rows) sum = 1 / sum;
    spread_rows(of_rows, size, each);
    float* const out = y + first;
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < count; ++k) out[k] = e[k] * each[k];
  }
}
REMAT_VECTORISED_IN_REGISTERS(softmax_short_rows,
                              (const float* x, float* y, std::size_t size, std::size_t begin, std::size_t end), x, y,
                              size, begin, end)

/// Likewise; dx may be dy.
template <bool InRegisters>
[[gnu::always_inline]] inline void softmax_short_rows_backward_in(const float* y, const float* dy, float* dx, bool adds,
                                                                  std::size_t size, std::size_t begin,
                                                                  std::size_t end) {
  short_rows work = {}, spread;
  float *const product = work.elements, *const each = spread.elements, of_rows[rows_at_once];
  const std::size_t all = rows_at_once * size;
  for (std::size_t first = begin * size; first < end * size; first += all) {
    const std::size_t left = end * size - first, count = left < all ? left : all;
    const float *const out = y + first, *const gradient = dy + first;
    float* const to = dx + first;
    REMAT_INDEPENDENT
    for (std::size_t k = 0; k < count; ++k) product[k] = out[k] * gradient[k];
    fold_rows<sum_of_two, InRegisters>(product, size, of_rows);
    spread_rows(of_rows, size, each);
    if (adds) {
      REMAT_INDEPENDENT
      for (std::size_t k = 0; k < count; ++k) to[k] += out[k] * (gradient[k] - each[k]);
    } else {
      REMAT_INDEPENDENT
      for (std::size_t k = 0; k < count; ++k) to[k] = out[k] * (gradient[k] - each[k]);
    }
  }
}
REMAT_VECTORISED_IN_REGISTERS(softmax_short_rows_backward,
                              (const float* y, const float* dy, float* dx, bool adds, std::size_t size,
                               std::size_t begin, std::size_t end),
                              y, dy, dx, adds, size, begin, end)

/// Rows [begin, end) of (rows, size); y may be x.
REMAT_VECTORISED inline void softmax_rows(const float* x, float* y, std::size_t size, std::size_t begin,
                                          std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    const float* const in = x + row * size;
    float* const out = y + row * size;
    const float largest = largest_of(in, size);
    REMAT_INDEPENDENT
    for (std::size_t c = 0; c < size; ++c) out[c] = exponential(in[c] - largest);
    const float sum = static_cast<float>(sum_of(0, size, [=](std::size_t c) { return out[c]; }));
    for (std::size_t c = 0; c < size; ++c) out[c] = out[c] / sum;
  }
}

/// Likewise; dx may be dy.
REMAT_VECTORISED inline void softmax_rows_backward(const float* y, const float* dy, float* dx, bool adds,
                                                   std::size_t size, std::size_t begin, std::size_t end) {
  for (std::size_t row = begin; row < end; ++row) {
    const float *const out = y + row * size, *const gradient = dy + row * size;
    float* const to = dx + row * size;
    const float projected = static_cast<float>(sum_of(0, size, [=](std::size_t c) { return out[c] * gradient[c]; }));
    if (adds) {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < size; ++c) to[c] += out[c] * (gradient[c] - projected);
    } else {
      REMAT_INDEPENDENT
      for (std::size_t c = 0; c < size; ++c) to[c] = out[c] * (gradient[c] - projected);
    }
  }
}

REMAT_END_VECTOR_CODE

struct prepared_softmax : prepared {
  row_rooms rooms;

  explicit prepared_softmax(const preparation& p) : rooms(*this, p, row_elements(p.inputs[0]), 0) {}
};

struct softmax_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_softmax>(p); }

  static void forward(const forward_pass& pass) {
    pass.prepared_as<prepared_softmax>().rooms.in_rows(
        std::array{pass.input_numbers()}, pass.output_numbers(), pass.scratch(),
        [size = row_elements(pass.input_shape())](const auto& x, float* y, std::size_t, std::size_t count) {
          loop_for_rows_of(size, softmax_columns, softmax_short_rows, softmax_rows)(x[0], y, size, 0, count / size);
        });
  }
  static void backward_input(const backward_pass& pass) {
    const numbers dx = pass.input_gradient_numbers();
    pass.prepared_as<prepared_softmax>().rooms.in_rows(
        std::array{pass.output_numbers(), pass.output_gradient_numbers()}, dx, pass.scratch(),
        [=, size = row_elements(pass.input_shape())](const auto& from, float* to, std::size_t, std::size_t count) {
          loop_for_rows_of(size, softmax_columns_backward, softmax_short_rows_backward, softmax_rows_backward)(
              from[0], from[1], to, dx.accumulates, size, 0, count / size);
        });
  }
};

}  // namespace detail

/// PyTorch's `Softmax` over the last extent, of images over dim 1.
struct softmax : detail::normalisation_of_rows {
  static constexpr std::string_view kind = "softmax";
  static constexpr traits is{.in_place = true, .takes_bfloat16 = true, .gives_bfloat16 = true};

  using kernels = detail::softmax_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::softmax_kernels)
