// SPDX-License-Identifier: MIT
/// A set of tensors that is emptied in one step, for analyses that are constant expressions.
#pragma once

#include <remat/core/list.hpp>

#include <cstddef>

namespace remat::detail {

class tensor_set {
 public:
  constexpr explicit tensor_set(std::size_t tensors) : stamps_(tensors) {}
  constexpr void clear() { ++stamp_; }
  constexpr bool contains(int t) const { return stamps_.data()[t] == stamp_; }
  /// Whether t was new.
  constexpr bool insert(int t) { return stamps_.data()[t] != stamp_ && (stamps_.data()[t] = stamp_, true); }

 private:
  core::list<int> stamps_;
  int stamp_ = 1;
};

}  // namespace remat::detail
