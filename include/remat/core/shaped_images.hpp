// SPDX-License-Identifier: MIT
/// Images whose reader knows their shape.
#pragma once

#include <remat/core/language.hpp>

#include <array>
#include <cstddef>
#include <span>

namespace remat {

/// The numbers of some images (N, C, H, W), and the extents of each, which a model compares with those of its input: a
/// span alone says how many numbers there are.
struct shaped_images : std::span<const float> {
  using extents_of_image = std::array<std::size_t, 3>;  ///< (C, H, W); zeros where nobody knows

  constexpr shaped_images() = default;
  constexpr shaped_images(std::span<const float> numbers, const extents_of_image& of_each)
      : std::span<const float>(numbers), extents(of_each) {}

  extents_of_image extents = {};
};

}  // namespace remat
