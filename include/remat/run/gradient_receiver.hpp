// SPDX-License-Identifier: MIT
/// Who is given the gradients of parameters within a step, each when it is final and nothing reads the parameter any
/// more.
#pragma once

#include <remat/core/language.hpp>

#include <span>

namespace remat {

struct gradient_receiver {
  virtual ~gradient_receiver() = default;
  /// Of the slot of the program that owns the parameter.
  virtual void final_gradient(int owner, std::span<const float> gradient) = 0;
};

}  // namespace remat
