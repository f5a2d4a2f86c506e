// SPDX-License-Identifier: MIT
/// A vector of `lanes` floats, for loops whose sums are to stay in registers.
#pragma once

#include <remat/nn/vectorised.hpp>

#include <cstddef>

namespace remat::nn::detail {

REMAT_BEGIN_VECTOR_CODE

using vector_of_lanes = float __attribute__((vector_size(sizeof(float) * lanes)));
using lane_numbers = int __attribute__((vector_size(sizeof(int) * lanes)));

[[gnu::always_inline]] inline void load(vector_of_lanes& v, const float* from) { __builtin_memcpy(&v, from, sizeof v); }
[[gnu::always_inline]] inline void store(const vector_of_lanes& v, float* to) { __builtin_memcpy(to, &v, sizeof v); }

REMAT_END_VECTOR_CODE

}  // namespace remat::nn::detail
