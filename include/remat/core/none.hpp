// SPDX-License-Identifier: MIT
/// The index of nothing.
#pragma once

#include <remat/core/language.hpp>

namespace remat::core {

/// In place of the index of an operation, tensor, module, stage or buffer: there is none.
inline constexpr int none = -1;

}  // namespace remat::core
