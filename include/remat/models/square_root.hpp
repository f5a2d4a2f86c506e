// SPDX-License-Identifier: MIT
/// A square root in constant expressions, where std::sqrt is not.
#pragma once

#include <remat/core/language.hpp>

namespace remat::models::detail {

/// Of a number of at least 0, by Newton's method.
constexpr double square_root_of(double square) {
  double root = 1;
  for (int i = 0; i < 64; ++i) root = (root + square / root) / 2;
  return root;
}

}  // namespace remat::models::detail
