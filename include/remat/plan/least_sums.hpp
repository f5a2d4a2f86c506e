// SPDX-License-Identifier: MIT
/// Sums of costs, each taken where it is less than what is there: what a chain solver does most (spine_values.hpp),
/// with the widest vectors that there are.
#pragma once

#include <remat/nn/vectorised.hpp>

namespace remat::detail {

REMAT_BEGIN_VECTOR_CODE

/// best[i] becomes cost + a[i] + b[i] where that is less.
REMAT_VECTORISED inline void take_least_sums(double* best, const double* a, const double* b, double cost, int count) {
  REMAT_INDEPENDENT
  for (int i = 0; i < count; ++i) {
    const double sum = cost + a[i] + b[i];
    best[i] = sum < best[i] ? sum : best[i];
  }
}
/// The same of cost + a[i] + b.
REMAT_VECTORISED inline void take_least_shifted(double* best, const double* a, double b, double cost, int count) {
  REMAT_INDEPENDENT
  for (int i = 0; i < count; ++i) {
    const double sum = cost + a[i] + b;
    best[i] = sum < best[i] ? sum : best[i];
  }
}

REMAT_END_VECTOR_CODE

}  // namespace remat::detail
