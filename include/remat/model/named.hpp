// SPDX-License-Identifier: MIT
/// A name for a module, instead of its position in paths: `named<"conv1", nn::conv2d<1, 32, 3>>`.
#pragma once

#include <remat/core/fixed_string.hpp>
#include <remat/core/module.hpp>

namespace remat {

template <fixed_string Name, class M>
struct named : module {};

}  // namespace remat
