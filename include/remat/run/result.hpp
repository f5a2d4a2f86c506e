// SPDX-License-Identifier: MIT
/// Where a step's results go: outputs, and gradients of inputs, in memory that the next step uses again.
///
/// A kernel leaves images channels-last, in memory of their own; `finish` brings them into (N, C, H, W). Tensors are
/// left as they are.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/tensor.hpp>
#include <remat/run/image_order.hpp>
#include <remat/run/source.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace remat {

class results {
 public:
  /// A call is about to give some. Where it is given what the last one gave (a prediction of a prediction), that stays
  /// until it is done: two sets of results take turns.
  void begin(std::span<const tensor_source> given) {
    if (is_given_back(given)) std::swap(slots_, retired_);
    count_ = 0;
    views_.clear();
  }
  /// The same, in other memory.
  void begin_anew(std::span<const tensor_source> given) {
    if (!is_given_back(given)) retired_.clear();
    begin(given);
    slots_.clear();
  }
  /// Makes room for a tensor of float.
  void expect(const tensor_shape& shape, std::size_t batch) {
    slot& s = next();
    s.shape = shape;
    s.values.resize(shape.elements(batch));
    s.as_made.resize(shape.is_in_order() ? 0 : s.values.size());
    views_.push_back(std::as_writable_bytes(std::span(s.as_made.empty() ? s.values : s.as_made)));
  }
  /// A result that goes elsewhere.
  void expect_raw(std::span<std::byte> to) {
    slot& s = next();
    s.values.clear();
    s.as_made.clear();
    views_.push_back(to);
  }
  /// Where the results go.
  std::span<const std::span<std::byte>> views() const { return views_; }

  /// Brings all results into their order; `views` are then of what `at` gives.
  void finish() {
    for (std::size_t i = 0; i < count_; ++i) {
      slot& s = slots_[i];
      if (s.as_made.empty()) continue;
      detail::to_channels_first(s.as_made.data(), s.values.data(), s.shape, s.values.size() / s.shape.elements());
      views_[i] = std::as_writable_bytes(std::span(s.values));
    }
  }

  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto* all : {&slots_, &retired_})
      for (const slot& s : *all) sum += s.values.capacity() + s.as_made.capacity();
    return sum * sizeof(float);
  }

  std::span<const float> at(std::size_t i) const {
    if (i >= count_) throw error("there is no result number " + std::to_string(i) + "; they are counted from 0");
    return slots_[i].values;
  }

 private:
  struct slot {
    tensor_shape shape = {};
    std::vector<float> values = {};
    std::vector<float> as_made = {};  ///< by a kernel; empty where that is the order of `values`
  };

  bool is_given_back(std::span<const tensor_source> given) const {
    return std::ranges::any_of(given, [this](const tensor_source& each) { return holds(each); });
  }
  bool holds(const tensor_source& given) const {
    const auto* const first = static_cast<const std::byte*>(given.data);
    const std::less<const std::byte*> before;
    return std::ranges::any_of(slots_, [&](const slot& each) {
      const auto mine = std::as_bytes(std::span(each.values));
      return before(first, mine.data() + mine.size()) && before(mine.data(), first + given.size * given.element_bytes);
    });
  }
  slot& next() {
    if (count_ == slots_.size()) slots_.emplace_back();
    return slots_[count_++];
  }

  std::vector<slot> slots_, retired_;  // the latter of a call before, whose results were given to one after it
  std::size_t count_ = 0;
  std::vector<std::span<std::byte>> views_;
};

}  // namespace remat
