// SPDX-License-Identifier: MIT
/// Rows of channels, (rows, C), the layout of channels-last images, with numbers that belong to the channels: what a
/// normalisation of channels is made of.
///
/// | loop              | reads | gives                                                                 |
/// |-------------------|-------|-----------------------------------------------------------------------|
/// | `moments`         | x     | mean of each column, and the sum of its squared deviations from it    |
/// | `gradient_sums`   | x, dy | sums of g and of g * (x - mean), where g is dy after a relu           |
/// | `scale`           | x     | y = (x - mean) * scale + shift, and a relu after it where wanted      |
/// | `scale_gradients` | x, dy | dx = scale * (g - average - (x - mean) * slope), written or added     |
/// | `pass_gradients`  | dy    | dx = scale * g, written or added; reads x only to find that relu      |
///
/// The first two are in channel_sums.hpp, the others in channel_loops.hpp. Products and sums are rounded one by one, in
/// one order, so that every instruction set and all flags but one (vectorised.hpp) give the same bits.
#pragma once

#include <remat/core/numbers.hpp>
#include <remat/nn/number_vectors.hpp>
#include <remat/nn/vectorised.hpp>

#include <cstddef>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

enum class channel_loop { moments, scale, gradient_sums, scale_gradients, pass_gradients };

/// What a loop works on: rows of `columns` numbers, `stride` apart, of floats or of bfloat16.
struct channel_rows {
  static constexpr std::size_t most_columns = 1024;  ///< of one call for sums

  std::size_t rows = 0, columns = 0, stride = 0;
  const_numbers x, dy;
  numbers to;  ///< y or dx; may be x or dy
  const float *mean = nullptr, *scale = nullptr, *shift = nullptr, *average = nullptr, *slope = nullptr;
  double *first = nullptr, *second = nullptr;  ///< the sums of a column
  bool acts = false;                           ///< there is a relu after the scaled rows

  /// `count` of these rows from `row` on, and of their columns those from `column` on.
  constexpr channel_rows at(std::size_t row, std::size_t count, std::size_t column, std::size_t size) const {
    channel_rows moved = *this;
    moved.rows = count;
    moved.columns = size;
    const auto move = [from = row * stride + column](auto& n) {
      if (n.data != nullptr) n.data += from * size_of(n.type);
    };
    move(moved.x);
    move(moved.dy);
    move(moved.to);
    for (const float** each : {&moved.mean, &moved.scale, &moved.shift, &moved.average, &moved.slope})
      if (*each != nullptr) *each += column;
    return moved;
  }
};

/// f(k) for every column. The steps are independent, even where two of their arrays are one.
template <class F>
[[gnu::always_inline]] inline void for_columns(std::size_t columns, const F& f) {
  REMAT_INDEPENDENT
  for (std::size_t k = 0; k < columns; ++k) f(k);
}

/// f<Width, Count>(k) for the columns from k on: Count vectors of Width, then one vector, then one column at a time.
template <std::size_t Width, std::size_t Count, class F>
[[gnu::always_inline]] inline void for_vectors(std::size_t columns, const F& f) {
  std::size_t k = 0;
  for (; k + Width * Count <= columns; k += Width * Count) f.template operator()<Width, Count>(k);
  if constexpr (Count > 1)
    for (; k + Width <= columns; k += Width) f.template operator()<Width, 1>(k);
  for (; k < columns; ++k) f.template operator()<1, 1>(k);
}

/// dy, or its gradient before a relu whose output was y.
template <bool Acts, class Floats>
[[gnu::always_inline]] inline void pass_relu(const Floats& y, Floats& dy) {
  if constexpr (Acts) dy = y <= 0 ? Floats{} : dy;
}

/// Of some columns, what x is normalised with.
template <std::size_t Width>
struct column_scale {
  using floats = typename number_vector<Width>::floats;
  floats mean, scale, shift;

  [[gnu::always_inline]] void read(const channel_rows& l, std::size_t k) {
    number_vector<Width>::read(mean, l.mean + k);
    number_vector<Width>::read(scale, l.scale + k);
    number_vector<Width>::read(shift, l.shift + k);
  }
  /// d becomes x - mean, and g the gradient before the relu.
  template <bool Acts>
  [[gnu::always_inline]] void pass_back(floats& d, floats& g) const {
    d -= mean;
    pass_relu<Acts>(d * scale + shift, g);
  }
};

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
