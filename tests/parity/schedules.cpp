// SPDX-License-Identifier: MIT
/// Prints how many steps a budget and revolve run forward, of uniform chains whose steps save as much as a state is.
///
///     schedules [disk] < pairs of steps and slots
///
/// A line for each: steps, slots, forward steps of a budget of as many units of memory, and of revolve. A unit is a
/// state, or what a step saves. In addition to slots a budget has what a step takes while it runs: its input, what it
/// makes and saves, and the gradient that waits.
///
/// With `disk`: steps, slots, forward steps, writes and reads of a budget that may use a disk, for each of whose
/// transfers the step waits: a state, or what a step saves, takes two steps to write and two to read.
#include <remat/remat.hpp>

#include <unit/plan/saving_steps.hpp>

#include <cstdio>
#include <iostream>
#include <string_view>

namespace {

using saving_steps::budget_of, saving_steps::planned, saving_steps::waited_for;

std::size_t forward_steps(const remat::plan& made) {
  return remat::count(made, remat::action_kind::forward) + remat::count(made, remat::action_kind::recompute);
}

void print_with_disk(int steps, int slots) {
  const remat::plan made = planned(steps, {budget_of(slots), {}, waited_for()});
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
