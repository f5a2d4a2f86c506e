// SPDX-License-Identifier: MIT
/// What a rank holds that runs a program in one process, kernels and all: for plans whose budget is the whole.
#pragma once

#include <remat/plan/rank_memory.hpp>
#include <remat/run/planned_kernels.hpp>
#include <remat/run/regions.hpp>

#include <cstddef>

namespace remat {

/// The arena that the plan of a step and its kernels need.
inline regions regions_with_kernels(const program& p, const plan& made, kernel_options how) {
  regions all;
  for (const bool accumulates : {false, true}) {
    if (accumulates && how.microbatches == 1) break;
    how.accumulates = accumulates;
    plan with_packs = made;
    const planned_kernels kernels(p, with_packs, how);
    all = all.with(regions_of(with_packs, kernels.memory()));
  }
  return all;
}

class rank_with_kernels final : public rank_memory {
 public:
  /// `reserved`: of the arena that there is, which other plans go on using. `others`: what else the rank holds.
  rank_with_kernels(const program& p, const kernel_options& how, const regions& reserved, std::size_t others)
      : program_(&p), how_(how), reserved_(reserved), others_(others) {}

  std::size_t bytes_with(const plan& made) const override {
    return others_ + reserved_.with(regions_with_kernels(*program_, made, how_)).total();
  }
  std::size_t least_with(std::size_t activation_bytes) const override {
    return others_ + reserved_.with({.activations = activation_bytes}).total();
  }

 private:
  const program* program_;
  kernel_options how_;
  regions reserved_;
  std::size_t others_;
};

}  // namespace remat
