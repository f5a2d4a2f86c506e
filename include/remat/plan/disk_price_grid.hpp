// SPDX-License-Identifier: MIT
/// The prices at which solvers count transfers to a disk: shares of what they take, from all of it hidden next to
/// operations to none, and more. Where the step waits for each transfer, the price is all of it, 1.
#pragma once

#include <remat/core/language.hpp>

namespace remat::detail {

inline constexpr double disk_price_grid[] = {1.0 / 256, 1.0 / 16, 1.0 / 8, 1.0 / 4, 1.0 / 2, 1, 2};

}  // namespace remat::detail
