// SPDX-License-Identifier: MIT
/// Tensors as types and as values.
///
///     image<float, 3, 32, 32>    one sample, an image (C, H, W); the batch is a run-time number
///     tensor<float, 128>         one sample of 128 features
///     tensor<float, 4, 6, 8>     one sample of three extents, which is no image
///     scalar<float>              one number for the whole batch, as a loss gives it
///     per_batch<float, 64>       64 numbers for the whole batch, as statistics of channels are
///     tensors<A, B>              several tensors on one edge
///
/// A model's type is checked on these; the program that it lowers to holds `tensor_shape` values. The layout in memory
/// is declared by the type, never asked of the rank: a batch of `image` is channels-last, (N, H, W, C), although its
/// extents are (C, H, W). A batch of `tensor`, of any rank, is row-major, and no layer permutes it.
#pragma once

#include <remat/core/element.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>

namespace remat {

/// Row-major in memory.
template <class T, std::size_t... Extents>
struct tensor {};

/// Channels-last in memory. Users give and get it as (N, C, H, W).
template <class T, std::size_t Channels, std::size_t Height, std::size_t Width>
struct image {};

template <class T, std::size_t... Extents>
struct per_batch {};

template <class T>
using scalar = per_batch<T>;

template <class... Tensors>
struct tensors {};

/// How the elements of a batch follow each other in memory.
enum class memory_layout : std::uint8_t {
  row_major,      ///< the last extent next to each other
  channels_last,  ///< of an image (C, H, W): (N, H, W, C), so that the channels of a pixel are next to each other
};

/// The shape of a tensor as a value.
struct tensor_shape {
  static constexpr int max_rank = 4;

  element type = element::float32;
  bool per_sample = true;  ///< false: one for the whole batch
  int rank = 0;            ///< of one sample
  std::size_t extents[max_rank] = {};
  memory_layout layout = memory_layout::row_major;

  /// Elements of one sample.
  constexpr std::size_t elements() const {
    std::size_t product = 1;
    for (int i = 0; i < rank; ++i) product *= extents[i];
    return product;
  }
  constexpr std::size_t elements(std::size_t batch) const { return per_sample ? batch * elements() : elements(); }
  constexpr std::size_t bytes(std::size_t batch) const { return elements(batch) * size_of(type); }

  /// An image has channels, height and width; they mean nothing of another tensor.
  constexpr bool is_image() const { return layout == memory_layout::channels_last; }
  constexpr std::size_t channels() const { return extents[0]; }
  constexpr std::size_t height() const { return extents[1]; }
  constexpr std::size_t width() const { return extents[2]; }
  /// Whether its elements are in memory in the order of its extents, as those of some images are, too.
  constexpr bool is_in_order() const { return !is_image() || channels() == 1 || height() * width() == 1; }

  friend constexpr bool operator==(const tensor_shape&, const tensor_shape&) = default;
};

/// Those of an operation's inputs, or of its outputs.
using tensor_shapes = std::span<const tensor_shape>;

/// The most elements that a tensor has, of a batch as of a sample: kernels count them in 32 bits.
inline constexpr std::size_t most_elements = std::numeric_limits<std::int32_t>::max();

namespace detail {

/// Whether `batch` times the product of the extents is at most `most_elements`, however large they are.
constexpr bool are_few_elements(const std::size_t* extents, int rank, std::size_t batch = 1) {
  if (batch > most_elements) return false;
  std::size_t left = most_elements / batch;
  for (int i = 0; i < rank; ++i) {
    if (extents[i] > left) return false;
    if (extents[i] > 0) left /= extents[i];
  }
  return true;
}

/// The shape with these extents. That of a sample with too many of them, or too large ones, has none, so that no later
/// law sees an extent and is broken as well. (Functions of values: a template would be made for every shape.)
constexpr tensor_shape with_extents(tensor_shape made, std::initializer_list<std::size_t> extents) {
  const int rank = static_cast<int>(extents.size());
  if (rank > tensor_shape::max_rank || !are_few_elements(extents.begin(), rank)) return made;
  for (const std::size_t extent : extents) made.extents[made.rank++] = extent;
  return made;
}

template <std::size_t... Extents>
struct extents_of_a_sample {
  static constexpr bool holds = true;
  static_assert(sizeof...(Extents) <= tensor_shape::max_rank, "remat: a sample has at most 4 extents; flatten some");
  static_assert(((Extents > 0) && ...), "remat: every extent of a tensor is at least 1; leave out what is empty");
  static_assert(sizeof...(Extents) > tensor_shape::max_rank ||
                    with_extents({}, {Extents...}).rank == static_cast<int>(sizeof...(Extents)),
                "remat: a sample has at most 2^31 - 1 elements; make an extent of it smaller");
};

}  // namespace detail

/// `tensor<float, 128>` or `image<float, 3, 32, 32>` as a value.
template <class T>
struct shape_of;
template <class T, std::size_t... Extents>
struct shape_of<tensor<T, Extents...>> {
  static_assert(detail::extents_of_a_sample<Extents...>::holds);
  static constexpr tensor_shape value = detail::with_extents({.type = element_of<T>}, {Extents...});
};
template <class T, std::size_t C, std::size_t H, std::size_t W>
struct shape_of<image<T, C, H, W>> {
  static_assert(detail::extents_of_a_sample<C, H, W>::holds);
  static constexpr tensor_shape value =
      detail::with_extents({.type = element_of<T>, .layout = memory_layout::channels_last}, {C, H, W});
};
template <class T, std::size_t... Extents>
struct shape_of<per_batch<T, Extents...>> {
  static_assert(detail::extents_of_a_sample<Extents...>::holds);
  static constexpr tensor_shape value =
      detail::with_extents({.type = element_of<T>, .per_sample = false}, {Extents...});
};

}  // namespace remat
