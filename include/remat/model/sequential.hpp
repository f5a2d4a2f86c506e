// SPDX-License-Identifier: MIT
/// A sequential container: each module takes what the one before it gives.
///
///     using net = remat::sequential<nn::linear<784, 128>, nn::relu, nn::linear<128, 10>>;
///
/// It is an empty type and costs nothing. hana.hpp lets Boost.Hana's algorithms work on it.
#pragma once

#include <remat/core/module.hpp>

namespace remat {

template <class... Modules>
struct sequential : module {};

namespace detail {

template <class T>
inline constexpr bool is_sequential = false;
template <class... M>
inline constexpr bool is_sequential<sequential<M...>> = true;

}  // namespace detail
}  // namespace remat
