// SPDX-License-Identifier: MIT
/// What the kernels of a plan prepare and need in addition to tensors: primitives, packed weights, scratch.
#pragma once

#include <remat/plan/plan.hpp>
#include <remat/run/kernel_memory.hpp>
#include <remat/run/outside_tensors.hpp>
#include <remat/run/regions.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace remat {

/// How kernels run.
struct kernel_options {
  bool accumulates = false;      ///< to the parameters' gradients
  std::size_t microbatches = 1;  ///< of a step
  remat::packing packing = remat::packing::automatic;
  outside_places outside = {};  ///< where what leaves the arena waits
};

class planned_kernels {
 public:
  /// Adds pack actions to the plan's tape. `like`: those of other micro-batches of this size, whose packed weights
  /// these read where they are kept.
  planned_kernels(const program& p, plan& made, const kernel_options& how, const planned_kernels* like = nullptr)
      : prepared_(p, made, how.accumulates), packed_(packed_weights_of(made, prepared_)) {
    if (like == nullptr)
      choose_kept(packed_, how.packing, p, made, how.microbatches);
    else
      for (std::size_t i = 0; i < packed_.size(); ++i) packed_[i].is_kept = like->packed_[i].is_kept;
    const std::vector<pack_action> packs = pack_actions(packed_);
    made.steps = with_pack_actions(std::move(made.steps), packed_, packs);
    memory_ = {made.steps, packed_, packs, prepared_, how.microbatches > 1 || !made.covered.is_whole()};
  }

  /// What an operation has prepared, or null.
  const prepared* state(int operation) const { return prepared_.state(operation); }
  const kernel_memory& memory() const { return memory_; }

 private:
  prepared_operations prepared_;
  std::vector<packed_weights> packed_;
  kernel_memory memory_;
};

/// What a plan and its kernels need of an arena.
inline regions regions_of(const plan& made, const kernel_memory& kernels) {
  return {made.activation_bytes, made.gradient_bytes, kernels.packed_bytes(),
          kernels.step_bytes() + kernels.passing_bytes() - kernels.packed_bytes()};
}

}  // namespace remat
