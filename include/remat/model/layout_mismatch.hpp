// SPDX-License-Identifier: MIT
/// Whether a module or a loss refuses what it is given for its layout alone: the error then says which to take.
#pragma once

#include <remat/core/module.hpp>

#include <cstddef>

namespace remat::detail {

/// The same extents in each layout.
template <class T>
struct in_each_layout {
  using as_image = T;
  using as_tensor = T;
};
template <class T, std::size_t C, std::size_t H, std::size_t W>
struct in_each_layout<tensor<T, C, H, W>> {
  using as_image = image<T, C, H, W>;
  using as_tensor = tensor<T, C, H, W>;
};
template <class T, std::size_t C, std::size_t H, std::size_t W>
struct in_each_layout<image<T, C, H, W>> : in_each_layout<tensor<T, C, H, W>> {};

// What is asked first is true of every model that compiles; nothing else is instantiated then.

template <class M, class... Inputs>
concept WantsImages = !Accepts<M, Inputs...> && Accepts<M, typename in_each_layout<Inputs>::as_image...>;
template <class M, class... Inputs>
concept WantsTensors = !Accepts<M, Inputs...> && Accepts<M, typename in_each_layout<Inputs>::as_tensor...>;

template <class Loss, class... Outputs>
concept HasTarget = requires {
  Loss::target(Outputs{}...);
};
template <class Loss, class... Outputs>
concept HasTargetOfImages =
    !HasTarget<Loss, Outputs...> && HasTarget<Loss, typename in_each_layout<Outputs>::as_image...>;

}  // namespace remat::detail
