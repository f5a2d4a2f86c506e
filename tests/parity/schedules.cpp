// SPDX-License-Identifier: MIT
/// Prints how many steps a budget and revolve run forward, of uniform chains whose steps save as much as a state is.
///
///     schedules < pairs of steps and slots
///
/// A line for each: steps, slots, forward steps of a budget of as many units of memory, and of revolve. A unit is a state, or
/// what a step saves. In addition to slots a budget has what a step takes while it runs: its input, what it makes and saves,
/// and the gradient that waits.
#include <remat/remat.hpp>

#include <unit/plan/uniform_chain.hpp>

#include <cstdio>
#include <iostream>

namespace {

struct saving_step : remat::module {
  static constexpr std::string_view kind = "saving_step";
  template <class X>
  static X output(X);
  template <class X>
  static X saved_shape(X);
  static constexpr auto backward_input_reads = remat::reads::saved;
  static void forward(const remat::forward_pass&) {}
  static void backward_input(const remat::backward_pass&) {}
};

std::size_t forward_steps(int steps, const remat::checkpoint_setting& setting) {
  static const remat::program one = remat::lower<remat::repeat<1, saving_step>, remat::tensor<float, 64>>();
  remat::program p = uniform_chain::repeated(one, steps, setting);
  p.input_gradients = true;
  const remat::plan made = remat::plan_training(p, 1);
  return remat::count(made, remat::action_kind::forward) + remat::count(made, remat::action_kind::recompute);
}

}  // namespace

int main() {
  constexpr std::size_t unit = 64 * sizeof(float);
  int steps = 0, slots = 0;
  while (std::cin >> steps >> slots)
    std::printf("%d %d %zu %zu\n", steps, slots,
                forward_steps(steps, {remat::budget{(static_cast<std::size_t>(slots) + 4) * unit}}),
                forward_steps(steps, {remat::revolve{slots}}));
}
