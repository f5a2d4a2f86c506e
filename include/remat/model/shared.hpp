// SPDX-License-Identifier: MIT
/// Parameters in several places: `shared<"x", M>`.
///
/// Modules that are shared under one name have one set of parameters. They may be of different kinds: what agrees in
/// its place inside and its own name is shared, as `weight` is of `shared<"token", nn::embedding<V, D>>` and
/// `shared<"token", nn::linear<D, V, nn::bias::without>>`; the shapes must agree then.
///
/// A shared parameter bears the path of its first place. Each place has a gradient of its own, and a step sums them in
/// the order of the program, whatever the checkpoints and the stages.
#pragma once

#include <remat/core/fixed_string.hpp>
#include <remat/core/module.hpp>

namespace remat {

template <fixed_string Name, class M>
struct shared : module {};

}  // namespace remat
