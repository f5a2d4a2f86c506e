// SPDX-License-Identifier: MIT
/// The index of nothing.
#pragma once

#include <remat/core/language.hpp>

namespace remat::core {

/// The index where there is no operation, tensor, module, stage or buffer.
inline constexpr int none = -1;

}  // namespace remat::core
