// SPDX-License-Identifier: MIT
/// A few values in place, without memory of their own.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>
#include <stdexcept>

namespace remat::core {

/// At most N small values in place: the tensors of one operation, or those that a model gives.
template <class T, std::size_t N>
struct short_list {
  T values[N] = {};
  int size = 0;

  constexpr void push_back(const T& value) {
    if (size == static_cast<int>(N))
      throw std::length_error("remat: a list of tensors is full; an operation and a model have at most 8 of each");
    values[size++] = value;
  }
  constexpr T& operator[](int i) { return values[i]; }
  constexpr const T& operator[](int i) const { return values[i]; }
  constexpr const T* begin() const { return values; }
  constexpr const T* end() const { return values + size; }
};

}  // namespace remat::core
