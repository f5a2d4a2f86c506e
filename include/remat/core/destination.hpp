// SPDX-License-Identifier: MIT
/// Where a kernel writes a gradient of floats.
#pragma once

#include <remat/core/parallel.hpp>

#include <cstddef>

namespace remat {

/// Where a gradient goes: written, or added to what is there. The first contribution is written, so that no sum starts
/// from a zero that could turn -0 into 0.
class destination {
 public:
  destination(float* values, std::size_t size, bool accumulates)
      : values_(values), size_(size), accumulates_(accumulates) {}

  std::size_t size() const { return size_; }
  float* data() const { return values_; }
  bool accumulates() const { return accumulates_; }

  /// Element i becomes f(i), or grows by it. f must not read other elements of the destination.
  template <class F>
  void assign(const F& f) const {
    float* const values = values_;
    if (accumulates_)
      elementwise(size_, [=](std::size_t i) { values[i] += f(i); });
    else
      elementwise(size_, [=](std::size_t i) { values[i] = f(i); });
  }

 private:
  float* values_;
  std::size_t size_;
  bool accumulates_;
};

}  // namespace remat
