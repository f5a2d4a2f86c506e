// SPDX-License-Identifier: MIT
/// A data set of .npy files, of which the first extent counts samples: features, then targets, each as a model takes
/// it.
///
///     const remat::npy_set<float, std::int32_t> data("features.npy", "labels.npy");
///     const remat::npy_set<remat::image<float, 3, 32, 32>, remat::tensor<std::int32_t, 1>> data("x.npy", "y.npy");
///     for (auto [x, y] : data.batches(64, {.shuffle_seed = 1, .epoch = epoch})) model.train_step(x, y);
///
/// `float` and `std::int32_t` take samples of any shape. A tensor or an image takes its own: an array of another shape
/// or type is refused when the set is made. The files are mapped and a batch is read when it comes (npy_array.hpp says
/// what numbers are accepted), so that a set may be larger than memory.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/tensor.hpp>
#include <remat/io/npy_array.hpp>
#include <remat/io/read_batches.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace remat {

namespace detail {

/// The numbers of a sample, and the shape where one is asked for.
template <class T>
struct npy_sample {
  static_assert(std::same_as<T, float> || std::same_as<T, std::int32_t>,
                "remat: an npy_set is of float, std::int32_t, or tensors and images of these");
  using number = T;
  static void require_shape(const npy_array&) {}
};

inline void require_sample_shape(const npy_array& array, const tensor_shape& wanted) {
  const std::span<const std::size_t> found = array.shape().subspan(1),
                                     extents(wanted.extents, wanted.extents + wanted.rank);
  // A sample of one number may be given as one: labels (N).
  if (std::ranges::equal(found, extents) || (found.empty() && wanted.elements() == 1)) return;
  const auto text = [](std::string start, std::span<const std::size_t> shape) {
    for (const std::size_t extent : shape) start += ", " + std::to_string(extent);
    return "(" + start + ")";
  };
  throw data_error(array.name(), "has shape " + text(std::to_string(array.shape()[0]), found) + "; " +
                                     text("N", extents) + " is what the data set is declared to hold");
}

template <class T, std::size_t... Extents>
struct npy_sample<tensor<T, Extents...>> : npy_sample<T> {
  static void require_shape(const npy_array& array) {
    require_sample_shape(array, shape_of<tensor<T, Extents...>>::value);
  }
};
template <class T, std::size_t C, std::size_t H, std::size_t W>
struct npy_sample<image<T, C, H, W>> : npy_sample<T> {
  static void require_shape(const npy_array& array) { require_sample_shape(array, shape_of<image<T, C, H, W>>::value); }
};

}  // namespace detail

/// Copies share the files.
template <class... Tensors>
  requires(sizeof...(Tensors) > 0)
class npy_set {
 public:
  using batches_type = read_batches<npy_set, typename detail::npy_sample<Tensors>::number...>;

  /// One file for each. Throws `data_error`, naming the file, for one that is damaged, or has another shape or type
  /// than is asked for, or another number of samples than the first.
  template <std::convertible_to<std::filesystem::path>... Paths>
    requires(sizeof...(Paths) == sizeof...(Tensors))
  explicit npy_set(const Paths&... paths) : arrays_{npy_array(paths)...} {
    for (const npy_array& array : arrays_) {
      if (array.shape().empty()) throw data_error(array.name(), "is a single number; an array of samples is accepted");
      if (array.shape()[0] != size())
        throw data_error(array.name(), "has " + std::to_string(array.shape()[0]) + " samples, and " +
                                           arrays_.front().name() + " has " + std::to_string(size()) +
                                           "; as many are accepted");
    }
    std::size_t i = 0;
    (require<detail::npy_sample<Tensors>>(arrays_[i++]), ...);
  }

  /// The number of samples.
  std::size_t size() const { return arrays_.front().shape()[0]; }
  const npy_array& array(std::size_t i) const { return arrays_.at(i); }

  /// The samples, `batch_size` at a time.
  batches_type batches(std::size_t batch_size, const batch_options& options = {}) const {
    return {*this, batch_size, options};
  }

  // What batches ask for.
  std::size_t elements(std::size_t i) const { return arrays_[i].size() / size(); }
  void read(std::size_t first, std::size_t /*count*/,
            std::span<typename detail::npy_sample<Tensors>::number>... to) const {
    std::size_t i = 0;
    (read_array(i++, first, to), ...);
  }

 private:
  template <class Sample>
  static void require(const npy_array& array) {
    array.require_read_as<typename Sample::number>();
    Sample::require_shape(array);
  }
  template <class T>
  void read_array(std::size_t i, std::size_t first, std::span<T> to) const {
    arrays_[i].read(first * elements(i), to);
  }

  std::array<npy_array, sizeof...(Tensors)> arrays_;
};

}  // namespace remat
