// SPDX-License-Identifier: MIT
/// What may be a cost, of time or of bytes: those that people write down are checked before anything is planned with them.
#pragma once

#include <remat/core/language.hpp>

#include <limits>

namespace remat::detail {

/// No infinity, NaN or number below 0.
constexpr bool is_cost(double value) { return value >= 0 && value <= std::numeric_limits<double>::max(); }

}  // namespace remat::detail
