// SPDX-License-Identifier: MIT
/// Uniform chains of steps that save as much as a state is, as published schedules of such chains count: by slots, and
/// by steps forward that take 1.
#pragma once

#include "uniform_chain.hpp"

#include <remat/remat.hpp>

#include <cstddef>
#include <string_view>

namespace saving_steps {

struct step : remat::module {
  static constexpr std::string_view kind = "saving_step";
  template <class X>
  static X output(X);
  template <class X>
  static X saved_shape(X);
  static constexpr auto backward_input_reads = remat::reads::saved;
  static void forward(const remat::forward_pass&) {}
  static void backward_input(const remat::backward_pass&) {}
  static constexpr double counted = 64;
  static double flops(remat::tensor_shapes, remat::tensor_shapes) { return counted; }
};

/// Of a state, or of what a step saves.
inline constexpr std::size_t unit = 64 * sizeof(float);

/// Of as many units of memory. In addition a budget has what a step takes while it runs: its input, what it makes and
/// saves, and the gradient that waits.
inline remat::budget<> budget_of(int slots) { return remat::budget<>{(static_cast<std::size_t>(slots) + 4) * unit}; }

/// A disk on which each transfer of a unit takes two steps, and the step waits for it.
inline remat::offload<remat::file> waited_for() {
  const double rate = unit * remat::counted_flops_per_second / (2 * step::counted);
  return {.window = {.read_ahead = 0, .write_behind = 0, .least_bytes = 1}, .rate = {rate, rate}};
}

/// The plan of a chain of steps that is checkpointed with a setting.
inline remat::plan planned(int steps, const remat::checkpoint_setting& setting) {
  static const remat::program one = remat::lower<remat::repeat<1, step>, remat::tensor<float, 64>>();
  remat::program p = uniform_chain::repeated(one, steps, setting);
  p.input_gradients = true;
  return remat::plan_training(p, 1);
}

}  // namespace saving_steps
