// SPDX-License-Identifier: MIT
/// Tensors as types and as values.
///
///     tensor<float, 3, 32, 32>   one sample of an image input (C, H, W); the batch is a run-time number
///     tensor<float, 128>         one sample of 128 features
///     scalar<float>              one number for the whole batch, as a loss gives it
///     per_batch<float, 64>       64 numbers for the whole batch, as statistics of channels are
///     tensors<A, B>              several tensors on one edge
///
/// A model's type is checked on these; the program that it lowers to holds `tensor_shape` values. In memory a batch of
/// images (C, H, W) is channels-last: (N, H, W, C). Every other shape is row-major behind the batch.
#pragma once

#include <remat/core/element.hpp>

#include <cstddef>
#include <cstdint>

namespace remat {

template <class T, std::size_t... Extents>
struct tensor {};

template <class T, std::size_t... Extents>
struct per_batch {};

template <class T>
using scalar = per_batch<T>;

template <class... Tensors>
struct tensors {};

/// The shape of a tensor as a value.
struct tensor_shape {
  static constexpr int max_rank = 4;

  element type = element::float32;
  bool per_sample = true;  ///< false: one for the whole batch
  int rank = 0;            ///< of one sample
  std::size_t extents[max_rank] = {};

  /// Elements of one sample.
  constexpr std::size_t elements() const {
    std::size_t product = 1;
    for (int i = 0; i < rank; ++i) product *= extents[i];
    return product;
  }
  constexpr std::size_t elements(std::size_t batch) const { return per_sample ? batch * elements() : elements(); }
  constexpr std::size_t bytes(std::size_t batch) const { return elements(batch) * size_of(type); }

  constexpr bool is_image() const { return rank == 3; }
  constexpr std::size_t channels() const { return extents[0]; }
  constexpr std::size_t height() const { return extents[1]; }
  constexpr std::size_t width() const { return extents[2]; }

  friend constexpr bool operator==(const tensor_shape&, const tensor_shape&) = default;
};

namespace detail {

template <std::size_t... Extents>
struct extents_of_a_sample {
  static constexpr bool holds = true;
  static_assert(sizeof...(Extents) <= tensor_shape::max_rank, "remat: a sample has at most 4 extents; flatten some");
  static_assert(((Extents > 0) && ...), "remat: every extent of a tensor is at least 1; leave out what is empty");
};

}  // namespace detail

/// `tensor<float, 3, 32, 32>` as a value.
template <class T>
struct shape_of;
template <class T, std::size_t... Extents>
struct shape_of<tensor<T, Extents...>> {
  static_assert(detail::extents_of_a_sample<Extents...>::holds);
  static constexpr tensor_shape value{element_of<T>, true, sizeof...(Extents), {Extents...}};
};
template <class T, std::size_t... Extents>
struct shape_of<per_batch<T, Extents...>> {
  static_assert(detail::extents_of_a_sample<Extents...>::holds);
  static constexpr tensor_shape value{element_of<T>, false, sizeof...(Extents), {Extents...}};
};

}  // namespace remat
