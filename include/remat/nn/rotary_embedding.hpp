// SPDX-License-Identifier: MIT
/// Rotary position embedding (Su et al. 2021), of queries and of keys: each head's halves are the coordinates of points
/// in D / 2 planes, and each point is turned by an angle that grows with the position (rotary_table.hpp).
///
///     forward   y[t, i] = x[t, i] cos - x[t, i + D/2] sin,  y[t, i + D/2] = x[t, i + D/2] cos + x[t, i] sin
///     backward  the same by the opposite angle; reads nothing
///
/// x (T, H D), heads of D elements next to one another, positions 0 to T - 1. Pairs are i and i + D/2, as Llama has
/// them in transformers.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/floats.hpp>
#include <remat/nn/rotary_table.hpp>
#include <remat/nn/vectorised.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

namespace remat::nn {
namespace detail {

struct rotary_attributes {
  std::size_t width;  ///< of a head
  rotary_options options;
};

REMAT_BEGIN_VECTOR_CODE

/// Rows of (heads, 2 half), the first of which is row `first_row` of a batch whose samples have `table.positions` rows;
/// y may be x. `direction` is 1 or -1.
REMAT_VECTORISED inline void rotate_rows(const float* x, float* y, const rotary_table& table, float direction,
                                         bool adds, std::size_t heads, std::size_t first_row, std::size_t rows) {
  const std::size_t half = table.width / 2;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t position = (first_row + row) % table.positions;
    const float *const c = table.cosines.data() + position * half, *const s = table.sines.data() + position * half;
    for (std::size_t head = 0; head < heads; ++head) {
      const std::size_t at = (row * heads + head) * 2 * half;
      const float *const first = x + at, *const second = x + at + half;
      float *const to = y + at, *const to_second = y + at + half;
      if (adds) {
        REMAT_INDEPENDENT
        for (std::size_t i = 0; i < half; ++i) {
          const float a = first[i], b = second[i], turn = direction * s[i];
          to[i] += a * c[i] - b * turn;
          to_second[i] += b * c[i] + a * turn;
        }
      } else {
        REMAT_INDEPENDENT
        for (std::size_t i = 0; i < half; ++i) {
          const float a = first[i], b = second[i], turn = direction * s[i];
          to[i] = a * c[i] - b * turn;
          to_second[i] = b * c[i] + a * turn;
        }
      }
    }
  }
}

REMAT_END_VECTOR_CODE

struct prepared_rotary_embedding : prepared {
  std::shared_ptr<const rotary_table> table;

  explicit prepared_rotary_embedding(const preparation& p)
      : table(shared_rotary_table(p.inputs[0].extents[0], p.attributes<rotary_attributes>().width,
                                  p.attributes<rotary_attributes>().options)) {}
};

struct rotary_embedding_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) {
    return std::make_unique<prepared_rotary_embedding>(p);
  }
  static void forward(const forward_pass& pass) { rotate(pass, pass.input_numbers(), pass.output_numbers(), 1); }
  static void backward_input(const backward_pass& pass) {
    rotate(pass, pass.output_gradient_numbers(), pass.input_gradient_numbers(), -1);
  }

 private:
  static void rotate(const kernel_pass& p, const const_numbers& x, const numbers& to, float direction) {
    const rotary_table& table = *p.prepared_as<prepared_rotary_embedding>().table;
    const std::size_t size = p.input_shape().extents[1], heads = size / table.width;
    in_parts(
        std::array{x}, to, 1 + 4096 / size,
        [=, &table, adds = to.accumulates](const auto& from, float* y, std::size_t first, std::size_t count) {
          rotate_rows(from[0], y, table, direction, adds, heads, first / size, count / size);
        },
        size);
  }
};

template <std::size_t D>
struct rotary_embedding_size {
  static constexpr bool holds = true;
  static_assert(D > 0 && D % 2 == 0,
                "remat: a rotary_embedding turns pairs of a head's elements; give it an even number of them");
};

template <rotary_options O>
struct rotary_options_are_in_range {
  static constexpr bool holds = true;
  static_assert(
      O.theta > 0 && O.factor >= 1 && O.low_frequency_factor > 0 && O.high_frequency_factor > O.low_frequency_factor &&
          O.original_positions > 0,
      "remat: a rotary_embedding has a theta above 0, a factor of at least 1, and a high_frequency_factor above "
      "its low_frequency_factor; give it the numbers of the model's configuration");
};

}  // namespace detail

/// Of heads of D elements each; takes (T, H D), any number of heads, before `attention`:
///
///     nn::rotary_embedding<64, nn::rotary_options{.theta = 500000, .factor = 32}>        Llama 3.2 1B
template <std::size_t D, rotary_options Options = rotary_options{}>
struct rotary_embedding : module {
  static_assert(detail::rotary_embedding_size<D>::holds);
  static_assert(detail::rotary_options_are_in_range<Options>::holds);

  static constexpr std::string_view kind = "rotary_embedding";
  template <std::size_t T, std::size_t W>
    requires(W % D == 0)
  static tensor<float, T, W> output(tensor<float, T, W>);
  template <class X>
  static constexpr traits is(X) {
    constexpr bool fits = shape_of<X>::value.extents[1] <= detail::longest_part;
    return {.in_place = true, .takes_bfloat16 = fits, .gives_bfloat16 = fits};
  }
  static constexpr double flops(tensor_shapes inputs, tensor_shapes) {
    return 3.0 * static_cast<double>(inputs[0].elements());
  }
  /// A cosine and a sine for each position and pair.
  static constexpr std::size_t table_bytes(tensor_shapes inputs) { return inputs[0].extents[0] * D * sizeof(float); }

  static constexpr detail::rotary_attributes attributes{D, Options};
  using kernels = detail::rotary_embedding_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::rotary_embedding_kernels)
