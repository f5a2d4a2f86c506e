// SPDX-License-Identifier: MIT
/// What watches a step: it sees every action before and after it runs.
#pragma once

#include <remat/core/language.hpp>

namespace remat {

/// `action` is its place on the tape of the plan.
struct observer {
  virtual ~observer() = default;
  virtual void before(int action) = 0;
  virtual void after(int action) = 0;
};

}  // namespace remat
