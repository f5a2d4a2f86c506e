// SPDX-License-Identifier: MIT
/// What may be a cost of time or bytes, a rate or a share: numbers that people write down are checked before they are
/// used.
#pragma once

#include <remat/core/language.hpp>

#include <limits>

namespace remat::detail {

/// No infinity, NaN or number below 0.
constexpr bool is_at_least_0(double value) { return value >= 0 && value <= std::numeric_limits<double>::max(); }

}  // namespace remat::detail
