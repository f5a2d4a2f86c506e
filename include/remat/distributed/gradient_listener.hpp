// SPDX-License-Identifier: MIT
/// Who hears, while a pipeline runs, that gradients are final.
#pragma once

#include <remat/model/program.hpp>

namespace remat {

/// Hears of the backward actions of the last micro-batch, after which gradients are final, and is given moments.
struct gradient_listener {
  virtual ~gradient_listener() = default;
  virtual void final_gradients(const operation& of) = 0;
  virtual void progress() = 0;
};

}  // namespace remat
