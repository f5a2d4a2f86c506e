// SPDX-License-Identifier: MIT
/// Whole tensors of float32 or bfloat16, of which the gradients of a step are copied, added up and taken back through
/// activations.
#pragma once

#include <remat/core/activation.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/floats.hpp>
#include <remat/nn/relu_loops.hpp>

#include <array>
#include <cstddef>
#include <cstring>

namespace remat::nn {

/// `count` numbers of `from`, from number `first` on, become those of `to` from number `at` on, or are added to them:
/// by this thread, between the types of floats.
inline void copy_some(const const_numbers& from, std::size_t first, const numbers& to, std::size_t at,
                      std::size_t count) {
  const auto* const x = reinterpret_cast<const float*>(from.data) + first;
  const auto* const rounded = reinterpret_cast<const bfloat16*>(from.data) + first;
  auto* const y = reinterpret_cast<float*>(to.data) + at;
  if (to.type == element::bfloat16 && from.type == element::float32)
    detail::round(x, reinterpret_cast<bfloat16*>(to.data) + at, count);
  else if (to.type == element::bfloat16)
    std::memcpy(to.data + at * sizeof(bfloat16), rounded, count * sizeof(bfloat16));
  else if (from.type == element::bfloat16)
    to.accumulates ? detail::add_widened(rounded, y, count) : detail::widen(rounded, y, count);
  else if (to.accumulates)
    in_lanes(0, count, [=](std::size_t i) { y[i] += x[i]; });
  else
    std::memcpy(y, x, count * sizeof(float));
}

/// All of them, on all threads.
inline void copy_numbers(const const_numbers& from, const numbers& to) {
  parallel_for(to.size, grain_of_numbers,
               [&](std::size_t begin, std::size_t end) { copy_some(from, begin, to, begin, end - begin); });
}

/// `count` of them from `begin` on.
inline const_numbers part_of(const const_numbers& all, std::size_t begin, std::size_t count) {
  return {all.data + begin * size_of(all.type), count, all.type};
}
inline numbers part_of(const numbers& all, std::size_t begin, std::size_t count) {
  return {all.data + begin * size_of(all.type), count, all.type, all.accumulates};
}
/// As factors of products: rounded into `room` where they are of another type.
inline const std::byte* factors_of(const const_numbers& from, element type, std::byte* room) {
  if (from.type == type) return from.data;
  copy_numbers(from, {room, from.size, type});
  return room;
}

/// The gradient of an activation's input from its output `y` and the gradient `dy`; `dx` may be `dy`.
inline void differentiate(activation a, const const_numbers& y, const const_numbers& dy, const numbers& dx) {
  constexpr std::size_t few = 1024;
  constexpr element rounded = element::bfloat16;
  if (a == activation::relu && y.type == rounded && dy.type == rounded && dx.type == rounded)  // it rounds nothing
    return parallel_for(dx.size, grain_of_numbers, [&](std::size_t begin, std::size_t end) {
      const auto* const from = reinterpret_cast<const bfloat16*>(dy.data) + begin;
      detail::relu_gradients_rounded(reinterpret_cast<const bfloat16*>(y.data) + begin, from,
                                     reinterpret_cast<bfloat16*>(dx.data) + begin, end - begin);
    });
  detail::in_parts(std::array{y, dy}, dx, grain_of_numbers,
                   [&](const auto& from, float* to, std::size_t, std::size_t count) {
                     if (!dx.accumulates) return remat::differentiate(a, from[0], from[1], to, count);
                     float some[few];
                     for (std::size_t first = 0; first < count; first += few) {
                       const std::size_t size = count - first < few ? count - first : few;
                       remat::differentiate(a, from[0] + first, from[1] + first, some, size);
                       in_lanes(0, size, [=, &some](std::size_t i) { to[first + i] += some[i]; });
                     }
                   });
}

}  // namespace remat::nn
