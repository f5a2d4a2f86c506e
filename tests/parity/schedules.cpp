// SPDX-License-Identifier: MIT
/// Prints how many steps a budget and revolve run forward, of uniform chains whose steps save as much as a state is.
///
///     schedules [disk] < pairs of steps and slots
///
/// A line for each: steps, slots, forward steps of a budget of as many units of memory, and of revolve. A unit is a state, or
/// what a step saves. In addition to slots a budget has what a step takes while it runs: its input, what it makes and saves,
/// and the gradient that waits.
///
/// With `disk`: steps, slots, forward steps, writes and reads of a budget that may use a disk, for each of whose transfers the
/// step waits: a state, or what a step saves, takes two steps to write and two to read.
#include <remat/remat.hpp>

#include <unit/plan/uniform_chain.hpp>

#include <cstdio>
#include <iostream>
#include <string_view>

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
  static constexpr double counted = 64;
  static double flops(remat::tensor_shapes, remat::tensor_shapes) { return counted; }
};

constexpr std::size_t unit = 64 * sizeof(float);

remat::plan planned(int steps, const remat::checkpoint_setting& setting) {
  static const remat::program one = remat::lower<remat::repeat<1, saving_step>, remat::tensor<float, 64>>();
  remat::program p = uniform_chain::repeated(one, steps, setting);
  p.input_gradients = true;
  return remat::plan_training(p, 1);
}
std::size_t forward_steps(const remat::plan& made) {
  return remat::count(made, remat::action_kind::forward) + remat::count(made, remat::action_kind::recompute);
}
remat::budget<> budget_of(int slots) { return remat::budget<>{(static_cast<std::size_t>(slots) + 4) * unit}; }

void print_with_disk(int steps, int slots) {
  const double rate = unit * remat::counted_flops_per_second / (2 * saving_step::counted);
  const remat::offload<remat::file> disk{.window = {.read_ahead = 0, .write_behind = 0, .least_bytes = 1},
                                         .rate = {rate, rate}};
  const remat::plan made = planned(steps, {budget_of(slots), {}, disk});
  std::printf("%d %d %zu %zu %zu\n", steps, slots, forward_steps(made),
              remat::count(made, remat::action_kind::begin_write), remat::count(made, remat::action_kind::begin_read));
}

}  // namespace

int main(int argc, char** argv) {
  const bool has_disk = argc > 1 && std::string_view(argv[1]) == "disk";
  int steps = 0, slots = 0;
  while (std::cin >> steps >> slots) {
    if (has_disk)
      print_with_disk(steps, slots);
    else
      std::printf("%d %d %zu %zu\n", steps, slots, forward_steps(planned(steps, {budget_of(slots)})),
                  forward_steps(planned(steps, {remat::revolve{slots}})));
  }
}
