// SPDX-License-Identifier: MIT
/// Sixteen equal blocks in the stages of a pipeline, for budgets of which the right choice can be told.
#pragma once

#include <remat/model/repeat.hpp>
#include <remat/model/sequential.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/mse_loss.hpp>
#include <remat/nn/tanh.hpp>
#include <remat/partition/partition.hpp>
#include <remat/partition/simulated_program.hpp>
#include <remat/partition/stage_policies.hpp>
#include <remat/plan/annotate.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace blocks_in_stages {

inline constexpr std::size_t samples = 8;

/// In stages that begin at these blocks, where the stages have these policies.
inline remat::program chain(const std::vector<int>& firsts, const std::vector<remat::checkpoint_at>& checkpoints,
                            const std::vector<remat::checkpoint_on_stage>& of_stages = {}) {
  using block = remat::sequential<remat::nn::linear<16, 16>, remat::nn::tanh>;
  remat::program p = remat::lower<remat::repeat<16, block>, remat::tensor<float, 16>, remat::nn::mse_loss>();
  annotate(p, checkpoints);
  p = fuse(std::move(p));
  assign_stages(p, remat::partition::boundaries(firsts), {.stages = static_cast<int>(firsts.size()) + 1});
  set_stage_policies(p, of_stages);
  return p;
}

/// Budgets that do not look at the pipeline.
inline remat::plan_terms each_for_itself() { return {.recomputes_in_bubbles = false}; }

}  // namespace blocks_in_stages
