// SPDX-License-Identifier: MIT
/// What a stage costs the simulator, and what a rank spends in a step.
#pragma once

#include <remat/core/language.hpp>

namespace remat {

/// What a stage costs: seconds for a micro-batch, and for a step.
struct stage_cost {
  double forward = 0;              ///< of a micro-batch
  double recompute = 0;            ///< of a micro-batch: what backward computes again, which needs no gradient
  double backward = 0;             ///< of a micro-batch: the rest of backward
  double update = 0;               ///< of a step: the optimizer
  double gradient_bytes = 0;       ///< what the replicas add up at the end of a step
  double backward_parameters = 0;  ///< of a micro-batch: what `backward` leaves to a task of its own, if there is one
};

/// The seconds that a rank spends in a step.
struct rank_times {
  double forward = 0, recompute = 0, backward = 0, update = 0;
  double copy = 0;                 ///< of messages, where the processors do it
  double all_reduce = 0;           ///< as far as the rank does nothing else meanwhile
  double hidden = 0;               ///< the part of `recompute` that ran before the gradient was there
  double end = 0;                  ///< when the rank is done
  double backward_parameters = 0;  ///< in tasks of their own

  constexpr double busy() const {
    return forward + recompute + backward + backward_parameters + update + copy + all_reduce;
  }
};

}  // namespace remat
