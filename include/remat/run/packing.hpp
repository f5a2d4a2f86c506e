// SPDX-License-Identifier: MIT
/// When a step packs the weights that kernels want in a layout of their own: before each pass that reads them, or once,
/// to be kept until the last pass that does.
///
/// Packing before each use takes memory for what one kernel reads, and no more time where that is the only use in a
/// step: weights change with every step. Where a step uses them several times (in several micro-batches, or in a
/// recomputation) packing again takes as long as about 40 rows of the product: a pixel of a sample is a row, so that it
/// is little next to a convolution of a whole batch, and much next to one of a few small images. `automatic` therefore
/// packs again as long as that adds no more than a hundredth to the multiplications of a step. Beyond it, copies are
/// kept: those first that would be packed most often, and of these the largest.
#pragma once

#include <remat/plan/plan.hpp>
#include <remat/run/prepared_operations.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace remat {

enum class packing : std::uint8_t {
  automatic,        ///< kept where packing again would cost too much time
  before_each_use,  ///< the least memory
  kept              ///< from the first use in a step to the last
};

/// Packed weights of an operation, as a tape uses them.
struct packed_weights {
  int operation = core::none;
  std::size_t copy = 0, bytes = 0;
  std::vector<int> uses = {};  ///< actions that read them; of those that follow one another at once, the first
  bool is_kept = false;        ///< packed before the first use alone
};

namespace detail {

/// The pass of a kernel that an action runs; none, of an action that runs none.
constexpr passes pass_of(action_kind kind) {
  switch (kind) {
    case action_kind::pack:
      return passes::pack;
    case action_kind::forward:
    case action_kind::recompute:
      return passes::forward;
    case action_kind::update_state:
      return passes::update_state;
    case action_kind::backward_parameters:
      return passes::backward_parameters;
    case action_kind::backward_input:
      return passes::backward_input;
    case action_kind::backward:
      return passes::backward;
    default:
      return {};
  }
}

/// FLOPs of a plan's products.
inline double flops_of(const program& p, const plan& made) {
  double sum = 0;
  for (const action& a : made.steps.actions) {
    const passes pass = pass_of(a.kind);
    const double products = pass.overlap(passes::backward) ? 2 : pass.overlap(passes::all) ? 1 : 0;
    if (products > 0) sum += products * p.operations[a.operation].flops * static_cast<double>(made.batch);
  }
  return sum;
}

}  // namespace detail

/// All packed weights that the operations of a plan have prepared, in the order of the program.
inline std::vector<packed_weights> packed_weights_of(const plan& made, const prepared_operations& prepared) {
  std::vector<packed_weights> all;
  std::vector<std::size_t> first(prepared.count());  // of each operation
  for (std::size_t i = 0; i < first.size(); ++i) {
    first[i] = all.size();
    if (const auto* state = prepared.state(static_cast<int>(i)))
      for (std::size_t k = 0; k < state->packed.size(); ++k)
        all.push_back({static_cast<int>(i), k, state->packed[k].bytes});
  }
  std::vector<int> last_use(all.size(), core::none);
  for (int now = 0; now < made.steps.actions.count(); ++now) {
    const action& a = made.steps.actions[now];
    const auto* state = a.operation == core::none ? nullptr : prepared.state(a.operation);
    for (std::size_t k = 0; state != nullptr && k < state->packed.size(); ++k) {
      if (!state->packed[k].is_read_by(detail::pass_of(a.kind))) continue;
      const std::size_t at = first[static_cast<std::size_t>(a.operation)] + k;
      if (last_use[at] == core::none || last_use[at] + 1 < now) all[at].uses.push_back(now);
      last_use[at] = now;
    }
  }
  return all;
}

/// Chooses which of them are kept, in a step of this many micro-batches.
inline void choose_kept(std::vector<packed_weights>& all, packing how, const program& p, const plan& made,
                        std::size_t microbatches) {
  constexpr double rows_of_packing = 40, most_of_a_step = 0.01;
  const auto uses = [&](const packed_weights& w) { return w.uses.size() * microbatches; };
  // FLOPs of as many rows, in a step.
  const auto again = [&](const packed_weights& w) {
    const double weights = static_cast<double>(w.bytes / sizeof(float));
    return uses(w) > 1 ? 2 * weights * rows_of_packing * static_cast<double>(uses(w) - 1) : 0;
  };
  double left = 0;
  for (const packed_weights& w : all) left += again(w);
  const double most = most_of_a_step * detail::flops_of(p, made) * static_cast<double>(microbatches);
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const std::size_t of_a = uses(all[a]), of_b = uses(all[b]);
    return of_a != of_b ? of_a > of_b : all[a].bytes != all[b].bytes ? all[a].bytes > all[b].bytes : a < b;
  });
  for (const std::size_t i : order) {
    if (uses(all[i]) < 2 || how == packing::before_each_use || (how == packing::automatic && left <= most)) continue;
    all[i].is_kept = true;
    left -= again(all[i]);
  }
}

}  // namespace remat
