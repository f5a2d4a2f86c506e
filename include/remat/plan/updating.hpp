// SPDX-License-Identifier: MIT
/// When parameters are updated, and where their gradients are until then (parameter_updates.hpp).
#pragma once

#include <remat/core/language.hpp>

#include <cstdint>

namespace remat {

enum class updating : std::uint8_t {
  after_step,  ///< by whoever reads the gradients, which are in a block
  from_block,  ///< in the step; a gradient is in the block
  from_arena   ///< in the step of a whole program; a gradient is a buffer
};

}  // namespace remat
