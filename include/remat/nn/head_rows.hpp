// SPDX-License-Identifier: MIT
/// Rows of heads, as attention gathers them into tiles and gives them back: a tensor (batch * length, heads, d) of
/// float32 or bfloat16, whose rows may have other elements between them. Tiles of factors are of the type that products
/// take, sums are of float32.
#pragma once

#include <remat/core/element.hpp>
#include <remat/nn/attention_extents.hpp>
#include <remat/nn/floats.hpp>
#include <remat/nn/rows.hpp>

#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>

namespace remat::nn::detail {

inline constexpr float no_score = -std::numeric_limits<float>::infinity();

/// Where the rows of a head are.
struct head_rows {
  std::byte* data = nullptr;
  element type = element::float32;
  std::size_t step = 0, length = 0, width = 0;  ///< from a row to the next; of a sequence; of a head

  explicit operator bool() const { return data != nullptr; }
  /// Those from `row` of a sample on, for the functions below.
  head_rows at(std::size_t sample, std::size_t row, std::size_t head) const {
    head_rows moved = *this;
    moved.data += ((sample * length + row) * step + head * width) * size_of(type);
    return moved;
  }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
};

/// Queries, keys and values in one tensor or in three, or the gradients of these.
struct query_key_value {
  head_rows q, k, v;

  /// `inputs` are one, or three.
  query_key_value(const attention_extents& e, const head_rows (&inputs)[3]) {
    const std::size_t d = e.width, of_q = e.heads * d, of_k = e.key_value_heads * d;
    const std::size_t step = e.is_fused ? of_q + 2 * of_k : 0;
    const auto rows = [&](int i, std::size_t first, std::size_t own, std::size_t length) {
      const head_rows& from = inputs[e.is_fused ? 0 : i];
      if (!from) return head_rows{};
      return head_rows{from.data + (e.is_fused ? first * size_of(from.type) : 0), from.type, e.is_fused ? step : own,
                       length, d};
    };
    q = rows(0, 0, of_q, e.queries);
    k = rows(1, of_q, of_k, e.keys);
    v = rows(2, of_q + of_k, of_k, e.keys);
  }
};

REMAT_BEGIN_VECTOR_CODE

/// `count` rows of `width` as T, from rows that are `step` apart; 0 where `bias` is not.
template <class From, class To>
[[gnu::always_inline]] inline void gather(const From* from, std::size_t step, To* to, std::size_t count,
                                          std::size_t width, const float* bias) {
  for (std::size_t r = 0; r < count; ++r) {
    const From* const in = from + r * step;
    To* const out = to + r * width;
    if (bias != nullptr && bias[r] != 0)
      std::memset(static_cast<void*>(out), 0, width * sizeof(To));
    else if constexpr (std::is_same_v<From, To>)
      std::memcpy(out, in, width * sizeof(To));
    else
      for (std::size_t c = 0; c < width; ++c) put(float_of(in[c]), out[c]);
  }
}
REMAT_VECTORISED inline void gather_rounded(const float* from, std::size_t step, bfloat16* to, std::size_t count,
                                            std::size_t width, const float* bias) {
  gather(from, step, to, count, width, bias);
}

/// The other way: writes scaled rows, or adds them to what is there.
REMAT_VECTORISED inline void give_floats(const float* from, float* to, std::size_t step, std::size_t count,
                                         std::size_t width, float scale, bool adds) {
  for (std::size_t r = 0; r < count; ++r) {
    const float* const in = from + r * width;
    float* const out = to + r * step;
    if (adds)
      for (std::size_t c = 0; c < width; ++c) out[c] += in[c] * scale;
    else
      for (std::size_t c = 0; c < width; ++c) out[c] = in[c] * scale;
  }
}
REMAT_VECTORISED inline void give_rounded(const float* from, bfloat16* to, std::size_t step, std::size_t count,
                                          std::size_t width, float scale) {
  for (std::size_t r = 0; r < count; ++r)
    for (std::size_t c = 0; c < width; ++c) put(from[r * width + c] * scale, to[r * step + c]);
}

/// What backward makes probabilities with, of `count` rows: the largest scores, infinity where nothing was attended to,
/// and 1 over the sums.
inline void finish_rows(const float* largest, const float* sums, float* kept_largest, float* shares,
                        std::size_t count) {
  for (std::size_t r = 0; r < count; ++r) {
    kept_largest[r] = sums[r] == 0 ? -no_score : largest[r];
    shares[r] = sums[r] == 0 ? 0.0f : 1 / sums[r];
  }
}

/// The output of a row over its sum.
template <class T>
[[gnu::always_inline]] inline void divide_row(const float* in, float sum, T* out, std::size_t width) {
  const float share = sum == 0 ? 0.0f : 1 / sum;
  for (std::size_t c = 0; c < width; ++c) put(in[c] * share, out[c]);
}
REMAT_VECTORISED inline void divide_floats(const float* output, const float* sums, float* to, std::size_t step,
                                           std::size_t count, std::size_t width) {
  for (std::size_t r = 0; r < count; ++r) divide_row(output + r * width, sums[r], to + r * step, width);
}
REMAT_VECTORISED inline void divide_rounded(const float* output, const float* sums, bfloat16* to, std::size_t step,
                                            std::size_t count, std::size_t width) {
  for (std::size_t r = 0; r < count; ++r) divide_row(output + r * width, sums[r], to + r * step, width);
}

/// The sums of x y over `width`, for `count` rows that are `step` apart, each from its first term to its last and
/// rounded once a term: so the products of tiles sum, and where one probability is 1, its gradient is its row's dot,
/// bit by bit.
template <class X, class Y>
[[gnu::always_inline]] inline void dots_of(const X* x, const Y* y, std::size_t step, float* to, std::size_t count,
                                           std::size_t width) {
  for (std::size_t r = 0; r < count; r += lanes) {
    const std::size_t rows = count - r < lanes ? count - r : lanes;
    float sums[lanes] = {};
    for (std::size_t c = 0; c < width; ++c)
      for (std::size_t lane = 0; lane < rows; ++lane)
        sums[lane] = __builtin_fmaf(float_of(x[(r + lane) * step + c]), float_of(y[(r + lane) * step + c]), sums[lane]);
    for (std::size_t lane = 0; lane < rows; ++lane) to[r + lane] = sums[lane];
  }
}
REMAT_VECTORISED inline void dots_of_floats(const float* x, const float* y, std::size_t step, float* to,
                                            std::size_t count, std::size_t width) {
  dots_of(x, y, step, to, count, width);
}
REMAT_VECTORISED inline void dots_of_mixed(const bfloat16* x, const float* y, std::size_t step, float* to,
                                           std::size_t count, std::size_t width) {
  dots_of(x, y, step, to, count, width);
}
REMAT_VECTORISED inline void dots_of_rounded(const bfloat16* x, const bfloat16* y, std::size_t step, float* to,
                                             std::size_t count, std::size_t width) {
  dots_of(x, y, step, to, count, width);
}

REMAT_END_VECTOR_CODE

/// A tile of factors, of `to`'s type; 0 where `bias` is not.
inline void gather_rows(const head_rows& from, std::byte* to, element of_tile, std::size_t count, const float* bias) {
  if (from.type == element::bfloat16)
    gather(from.as<const bfloat16>(), from.step, reinterpret_cast<bfloat16*>(to), count, from.width, bias);
  else if (of_tile == element::bfloat16)
    gather_rounded(from.as<const float>(), from.step, reinterpret_cast<bfloat16*>(to), count, from.width, bias);
  else
    gather(from.as<const float>(), from.step, reinterpret_cast<float*>(to), count, from.width, bias);
}
/// A tile of numbers as a factor of products: rounded into `room` where these take bfloat16.
inline const void* as_factors(const float* tile, std::byte* room, element factors, std::size_t count) {
  if (factors == element::float32) return tile;
  round(tile, reinterpret_cast<bfloat16*>(room), count);
  return room;
}
/// Only float32 is added to.
inline void give_rows(const float* from, const head_rows& to, std::size_t count, float scale, bool adds) {
  if (to.type == element::bfloat16)
    give_rounded(from, to.as<bfloat16>(), to.step, count, to.width, scale);
  else
    give_floats(from, to.as<float>(), to.step, count, to.width, scale, adds);
}
inline void divide_rows(const float* output, const float* sums, const head_rows& to, std::size_t count) {
  if (to.type == element::bfloat16)
    divide_rounded(output, sums, to.as<bfloat16>(), to.step, count, to.width);
  else
    divide_floats(output, sums, to.as<float>(), to.step, count, to.width);
}
inline void dots_of_rows(const head_rows& x, const head_rows& y, float* to, std::size_t count) {
  if (y.type == element::bfloat16)
    dots_of_rounded(x.as<const bfloat16>(), y.as<const bfloat16>(), x.step, to, count, x.width);
  else if (x.type == element::bfloat16)
    dots_of_mixed(x.as<const bfloat16>(), y.as<const float>(), x.step, to, count, x.width);
  else
    dots_of_floats(x.as<const float>(), y.as<const float>(), x.step, to, count, x.width);
}

}  // namespace remat::nn::detail
