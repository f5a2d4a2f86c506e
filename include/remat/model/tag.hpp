// SPDX-License-Identifier: MIT
/// Long skips: `tag<"x">` remembers what passes, and `join<"x", Op>` gives it to a later module.
///
///     sequential<encoder, tag<"skip">, middle, join<"skip", nn::concat>, decoder>
///
/// `join<"x", Op>` is Op of what it takes and of what was remembered, in this order. A tag that is set again holds what
/// passed last, in a `repeat` of the same shape each time. `pick<I...>` takes several tensors and gives those numbered
/// I, so that a model of several inputs can send each to a branch of its own.
#pragma once

#include <remat/core/fixed_string.hpp>
#include <remat/core/module.hpp>

#include <cstddef>

namespace remat {

template <fixed_string Name>
struct tag : module {};

template <fixed_string Name, class Op>
struct join : module {};

template <std::size_t... Indices>
struct pick : module {};

}  // namespace remat
