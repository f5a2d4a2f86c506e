// SPDX-License-Identifier: MIT
/// Alignment: where memory for kernels begins.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>

namespace remat {

/// Every tensor begins at a multiple of this, and its size is rounded up to it before sizes are summed.
inline constexpr std::size_t alignment = 64;

/// The next multiple of an alignment.
constexpr std::size_t aligned(std::size_t bytes, std::size_t to = alignment) { return (bytes + to - 1) / to * to; }

}  // namespace remat
