// SPDX-License-Identifier: MIT
/// Whether a layer has a bias: `linear<8, 8, bias::without>`.
#pragma once

#include <remat/core/language.hpp>

namespace remat::nn {

enum class bias { with, without };

}  // namespace remat::nn
