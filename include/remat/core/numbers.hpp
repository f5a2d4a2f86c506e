// SPDX-License-Identifier: MIT
/// The numbers of a tensor that is of float32 or of bfloat16, as a kernel that takes both is given them. nn/floats.hpp
/// reads and writes them as floats.
#pragma once

#include <remat/core/element.hpp>

#include <cstddef>

namespace remat {

/// To be read.
struct const_numbers {
  const std::byte* data = nullptr;
  std::size_t size = 0;
  element type = element::float32;
};
/// To be written.
struct numbers {
  std::byte* data = nullptr;
  std::size_t size = 0;
  element type = element::float32;
  bool accumulates = false;  ///< they are added to what is there, which is float32 then

  operator const_numbers() const { return {data, size, type}; }  // NOLINT: what was written can be read
};

}  // namespace remat
