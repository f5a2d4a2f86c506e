// SPDX-License-Identifier: MIT
/// The batches of one epoch of a data set that stays in its files: only the current batch is in memory.
///
/// A batch is a tuple of spans, of buffers that `begin` allocates and that are filled anew for each batch: it is valid
/// until the next one. in_memory.hpp has the same for arrays in memory.
#pragma once

#include <remat/io/batch_order.hpp>

#include <cstddef>
#include <iterator>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace remat {

/// `Samples` has `size()`, its number of samples; `elements(i)`, of a sample in array i; and
/// `read(first, count, std::span<Numbers>...)`, which reads samples that follow each other. It is copied, which shares its
/// files.
template <class Samples, class... Numbers>
class read_batches {
 public:
  using value_type = std::tuple<std::span<const Numbers>...>;
  using iterator = detail::batch_iterator<read_batches>;

  read_batches(Samples samples, std::size_t batch_size, const batch_options& how)
      : samples_(std::move(samples)), order_(samples_.size(), batch_size, how) {}

  /// The number of batches of the epoch.
  std::size_t count() const { return order_.count(); }
  /// The number of the batch that comes next, after the current one within a loop, counted from 0: a run that is stopped
  /// here goes on with `{.first = position}`. `tensor_list::add_counter` has it remembered.
  std::size_t position() const { return order_.next(); }

  iterator begin() {
    order_.start();
    each_array([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
      std::get<I>(buffers_).resize(order_.largest() * samples_.elements(I));
    });
    if (!is_done()) fill();
    return iterator{*this};
  }
  std::default_sentinel_t end() const { return {}; }

  // What the iterator asks for.
  value_type current() const {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return value_type{std::span(std::get<I>(buffers_)).first(order_.size() * samples_.elements(I))...};
    }
    (std::index_sequence_for<Numbers...>{});
  }
  void advance() {
    order_.advance();
    if (!is_done()) fill();
  }
  bool is_done() const { return order_.is_done(); }

 private:
  template <class F>
  void each_array(const F& f) {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (f(std::integral_constant<std::size_t, I>{}), ...); }
    (std::index_sequence_for<Numbers...>{});
  }

  /// Samples that follow each other are read at once.
  void fill() {
    for (std::size_t at = 0, next = 0; at < order_.size(); at = next) {
      const std::size_t first = order_.sample(at);
      for (next = at + 1; next < order_.size() && order_.sample(next) == first + (next - at);) ++next;
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        samples_.read(
            first, next - at,
            std::span(std::get<I>(buffers_)).subspan(at * samples_.elements(I), (next - at) * samples_.elements(I))...);
      }
      (std::index_sequence_for<Numbers...>{});
    }
  }

  Samples samples_;
  detail::batch_order order_;
  std::tuple<std::vector<Numbers>...> buffers_;
};

}  // namespace remat
