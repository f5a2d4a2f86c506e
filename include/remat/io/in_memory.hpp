// SPDX-License-Identifier: MIT
/// A data set of arrays that are in memory: inputs, then targets, each of float or of integers and of any shape.
///
///     const auto data = remat::in_memory(images, labels);             // one label for each sample
///     const auto data = remat::in_memory(samples, tokens, next);      // any number of arrays, of this many samples
///     for (auto [x, t] : data.batches(64, {.shuffle_seed = 1, .epoch = epoch})) model.train_step(x, t);
///
/// An array is a range as `train_step` takes it, with its samples one after another. The data set views the arrays,
/// which must outlive it. A batch is a tuple of spans, valid until the next one: of the arrays themselves in stored
/// order, else of buffers that `begin` allocates.
#pragma once

#include <remat/core/error.hpp>
#include <remat/io/epoch_batches.hpp>
#include <remat/run/tensor_range.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <ranges>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <valarray>

namespace remat {

/// The batches of one epoch of some arrays of numbers.
template <class... Numbers>
class array_batches : public detail::epoch_batches<array_batches<Numbers...>> {
  using base = detail::epoch_batches<array_batches>;

 public:
  using value_type = std::tuple<std::span<const Numbers>...>;
  using iterator = detail::batch_iterator<array_batches>;

  array_batches(const value_type& all, std::size_t samples, std::size_t batch_size, const batch_options& options)
      : base(detail::batch_order(samples, batch_size, options)), arrays_(all), samples_(samples) {}

  value_type current() const { return current(std::index_sequence_for<Numbers...>{}); }

 private:
  friend base;
  using base::order_;

  void allocate() {
    if (order_.is_shuffled())
      for_each_array([&](auto array, auto& buffer) { buffer.resize(order_.largest() * (array.size() / samples_)); });
  }

  template <class F>
  void for_each_array(const F& f) {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (f(std::get<I>(arrays_), std::get<I>(buffers_)), ...); }
    (std::index_sequence_for<Numbers...>{});
  }

  void fill() {
    if (!order_.is_shuffled()) return;
    for_each_array([&](auto array, auto& buffer) {
      const std::size_t each = array.size() / samples_;
      for (std::size_t i = 0; i < order_.size(); ++i)
        std::copy_n(array.data() + order_.sample(i) * each, each, std::begin(buffer) + i * each);
    });
  }

  template <std::size_t... I>
  value_type current(std::index_sequence<I...>) const {
    return {part(std::get<I>(arrays_), std::get<I>(buffers_))...};
  }
  template <class T>
  std::span<const T> part(std::span<const T> array, const std::valarray<T>& buffer) const {
    const std::size_t each = array.size() / samples_;
    return order_.is_shuffled() ? std::span<const T>(std::begin(buffer), order_.size() * each)
                                : array.subspan(order_.first() * each, order_.size() * each);
  }

  value_type arrays_;
  std::size_t samples_;
  std::tuple<std::valarray<Numbers>...> buffers_;  // a std::vector<bool> has no array to view
};

/// Arrays of numbers, with as many samples in each.
template <class... Numbers>
class array_set {
 public:
  /// Throws `error` where an array has no whole number of elements for each sample.
  array_set(std::size_t samples, std::span<const Numbers>... arrays) : samples_(samples), arrays_(arrays...) {
    if (samples == 0) throw error("a data set in memory holds at least one sample");
    std::size_t place = 0;
    const auto check = [&](std::size_t size) {
      if (size == 0 || size % samples != 0)
        throw error("array " + std::to_string(place) + " of a data set in memory has " + std::to_string(size) +
                    " elements, which is no whole number for each of " + std::to_string(samples) + " samples");
      ++place;
    };
    (check(arrays.size()), ...);
  }

  /// The number of samples.
  std::size_t size() const { return samples_; }

  /// The arrays, `batch_size` samples at a time.
  array_batches<Numbers...> batches(std::size_t batch_size, const batch_options& options = {}) const {
    return {arrays_, samples_, batch_size, options};
  }

 private:
  std::size_t samples_;
  std::tuple<std::span<const Numbers>...> arrays_;
};

namespace rules {

template <class R>
struct array_outlives_its_data_set {
  static constexpr bool holds = true;
  static_assert(std::is_lvalue_reference_v<R> || std::ranges::enable_borrowed_range<std::remove_cvref_t<R>>,
                "remat: a data set in memory views its arrays, and a temporary would be gone; keep it in a variable");
};

template <class T>
struct number_of_an_array {
  static constexpr bool holds = true;
  static_assert(std::floating_point<T> || detail::Integer<T>,
                "remat: characters and bytes of memory are not numbers; an array of a data set holds integers such as "
                "std::int32_t, std::int8_t or std::uint8_t, or float");
};

/// A last array of anything else may have several elements for each sample.
template <class Number>
struct last_array_counts_samples {
  static constexpr bool holds = true;
  static_assert(detail::Integer<Number>,
                "remat: in_memory(inputs, labels) counts samples by its labels, which are integers; where targets are "
                "not, say how many there are: in_memory(samples, inputs, targets)");
};

}  // namespace rules

namespace detail {

template <class R>
auto array_of(R&& range) {
  static_assert(rules::array_outlives_its_data_set<R>::holds);
  static_assert(rules::tensor_in_memory<std::remove_cvref_t<R>>::holds);
  if constexpr (RangeInMemory<std::remove_cvref_t<R>>) {
    using number = number_of<std::remove_cvref_t<R>>;
    static_assert(rules::number_of_an_array<number>::holds);
    if constexpr (std::floating_point<number> || Integer<number>)
      return flat_span(range);
    else
      return std::span<const float>();
  } else {
    return std::span<const float>();
  }
}

}  // namespace detail

/// Arrays of this many samples.
template <std::integral Count, class... Arrays>
  requires(sizeof...(Arrays) > 0)
auto in_memory(Count samples, Arrays&&... arrays) {
  if (std::cmp_less(samples, 0)) throw error("a data set in memory holds at least one sample");
  return array_set(static_cast<std::size_t>(samples), detail::array_of(std::forward<Arrays>(arrays))...);
}

/// Inputs of float, with an integer label for each sample. (Where a sample has several targets, say how many samples
/// there are.)
template <class Inputs, class Labels>
  requires(!std::integral<std::remove_cvref_t<Inputs>>)
auto in_memory(Inputs&& inputs, Labels&& labels) {
  const auto counted = detail::array_of(std::forward<Labels>(labels));
  static_assert(rules::last_array_counts_samples<std::remove_cv_t<typename decltype(counted)::value_type>>::holds);
  return array_set(counted.size(), detail::array_of(std::forward<Inputs>(inputs)), counted);
}

}  // namespace remat
