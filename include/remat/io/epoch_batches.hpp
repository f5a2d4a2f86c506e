// SPDX-License-Identifier: MIT
/// What the batches of an epoch have in common, whatever they hold: they are walked through once, in an order.
#pragma once

#include <remat/io/batch_order.hpp>

#include <cstddef>
#include <iterator>
#include <utility>

namespace remat::detail {

/// Walks through the batches, of `value_type`, of a range that has `current`, `advance` and `is_done`. An
/// input iterator: what it gives is valid until it moves on.
template <class Range>
class batch_iterator {
 public:
  using value_type = typename Range::value_type;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  explicit batch_iterator(Range& range) : range_(&range) {}

  value_type operator*() const { return range_->current(); }
  batch_iterator& operator++() {
    range_->advance();
    return *this;
  }
  void operator++(int) { range_->advance(); }

  bool operator==(std::default_sentinel_t) const { return range_->is_done(); }

 private:
  Range* range_;
};

/// `Range` derives from it and has `value_type`, a batch, and `current()`, which gives it; `allocate()`, called before
/// the first batch; and `fill()`, called for each.
template <class Range>
class epoch_batches {
 public:
  /// The number of batches of the epoch.
  std::size_t count() const { return order_.count(); }
  /// The number of the batch that comes next, after the current one within a loop, counted from 0: a run that is
  /// stopped here goes on with `{.first = position}`. `tensor_list::add_counter` has it remembered.
  std::size_t position() const { return order_.next(); }

  auto begin() {
    order_.start();
    range().allocate();
    if (!is_done()) range().fill();
    return batch_iterator<Range>{range()};
  }
  std::default_sentinel_t end() const { return {}; }

  // What the iterator asks for.
  void advance() {
    order_.advance();
    if (!is_done()) range().fill();
  }
  bool is_done() const { return order_.is_done(); }

 protected:
  explicit epoch_batches(batch_order order) : order_(std::move(order)) {}

  batch_order order_;

 private:
  Range& range() { return static_cast<Range&>(*this); }
};

}  // namespace remat::detail
