// SPDX-License-Identifier: MIT
/// Branches: several modules that take the same tensors, and a module that takes all that they give.
///
///     parallel<nn::concat, A, B>        concat(A(x), B(x))
///     residual<Body>                    x + Body(x)                        (He et al. 2016)
///     residual<Body, Shortcut>          Shortcut(x) + Body(x)
///     residual<Body, Shortcut, Join>    Join(Body(x), Shortcut(x)); a sequential<nn::add, nn::relu>, for example
///
/// The branches of `parallel` are its children 0, 1, ...; the join comes after them. In a `residual` the parts of a
/// sequential body are children themselves, before the shortcut and the join, so that
/// `residual<sequential<named<"conv1", ...>, ...>, named<"downsample", ...>>` has the paths that PyTorch's blocks have.
#pragma once

#include <remat/core/module.hpp>
#include <remat/model/sequential.hpp>
#include <remat/nn/add.hpp>

namespace remat {

/// Gives what it takes, and computes nothing.
using identity = sequential<>;

template <class Join, class... Branches>
struct parallel : module {};

template <class Body, class Shortcut = identity, class Join = nn::add>
struct residual : module {};

}  // namespace remat
