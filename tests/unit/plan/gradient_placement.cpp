// SPDX-License-Identifier: MIT
// Gradients of parameters among the activations of random programs: nothing that lives at once overlaps, and together
// they need no more than one region after the other.
#include <remat/plan/plan.hpp>

#include <catch2/catch.hpp>

#include "random_programs.hpp"

#include <algorithm>

namespace gradient_placement_tests {

using remat::buffer, remat::plan, remat::program, remat::updating;

bool overlap(const buffer& a, const buffer& b) {
  return a.first <= b.last && b.first <= a.last && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

TEST_CASE("gradients of parameters are where no activation lives") {
  int shared_memory = 0;
  rc::prop("of random programs", [&] {
    random_programs::random_program random = random_programs::make_program(random_programs::pick(1, 30));
    random_programs::add_checkpoints(random.value);
    const program& p = random.value;
    const plan apart = remat::plan_training(p, 2);
    const plan made = remat::plan_training(p, {.batch = 2, .updates = updating::from_arena});
    const auto& buffers = made.steps.buffers;
    std::size_t end = 0, alone = 0;
    for (int b = 0; b < buffers.count(); ++b) {
      RC_ASSERT(buffers[b].region == 0);
      end = std::max(end, remat::aligned(buffers[b].offset + buffers[b].bytes));
      if (buffers[b].parameter != remat::core::none) alone += remat::aligned(buffers[b].bytes);
      for (int other = 0; other < b; ++other)
        RC_ASSERT(buffers[other].allocation == buffers[b].allocation || !overlap(buffers[other], buffers[b]));
    }
    RC_ASSERT(made.activation_bytes == apart.activation_bytes);
    RC_ASSERT(end == made.activation_bytes + made.gradient_bytes);
    RC_ASSERT(made.gradient_bytes <= alone);
    RC_ASSERT(made.regions[0].bytes == end);
    RC_ASSERT(remat::transient_gradient_bytes(p, apart) == made.gradient_bytes);
    if (made.gradient_bytes < alone) ++shared_memory;
  });
  CHECK(shared_memory > 0);
}

}  // namespace gradient_placement_tests
