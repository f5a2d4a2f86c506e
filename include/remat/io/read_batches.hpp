// SPDX-License-Identifier: MIT
/// The batches of one epoch of a data set that stays in its files: only the current batch is in memory.
///
/// A batch is a tuple of spans, of buffers that `begin` allocates and that are filled anew for each batch: it is valid
/// until the next one. in_memory.hpp has the same for arrays in memory.
#pragma once

#include <remat/io/epoch_batches.hpp>

#include <cstddef>
#include <iterator>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace remat {

/// `Samples` has `size()`, its number of samples; `elements(i)`, of a sample in array i; and
/// `read(first, count, std::span<Numbers>...)`, which reads samples that follow each other. It is copied, which shares
/// its files.
template <class Samples, class... Numbers>
class read_batches : public detail::epoch_batches<read_batches<Samples, Numbers...>> {
  using base = detail::epoch_batches<read_batches>;

 public:
  using value_type = std::tuple<std::span<const Numbers>...>;
  using iterator = detail::batch_iterator<read_batches>;

  read_batches(Samples samples, std::size_t batch_size, const batch_options& how)
      : base(detail::batch_order(samples.size(), batch_size, how)), samples_(std::move(samples)) {}

  value_type current() const {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return value_type{std::span(std::get<I>(buffers_)).first(order_.size() * samples_.elements(I))...};
    }
    (std::index_sequence_for<Numbers...>{});
  }
 private:
  friend base;
  using base::order_;

  void allocate() {
    each_array([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
      std::get<I>(buffers_).resize(order_.largest() * samples_.elements(I));
    });
  }

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
  std::tuple<std::vector<Numbers>...> buffers_;
};

}  // namespace remat
