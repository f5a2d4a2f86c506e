// SPDX-License-Identifier: MIT
/// The memory of a plan's kernels: where their packed weights and their scratch are, each for as long as it is needed.
///
///     scratch         in one action
///     packed weights  from the action that packs them to the last that reads what it packed
///
/// They are placed as the buffers of tensors are, in one part of the arena, so that the scratch of a weight gradient is
/// where the packed weights of another kernel were. What several micro-batches of a step read is in a part of its own,
/// in which it stays until the step ends: executors of the same program and batch find it at the same place there.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/plan/placement.hpp>
#include <remat/run/pack_actions.hpp>

#include <cstddef>
#include <vector>

namespace remat {

/// Memory of a kernel; `none` for `weights` says that it is scratch.
struct kernel_buffer {
  int operation = core::none;
  int weights = core::none;  ///< which of the plan's packed weights
  std::size_t bytes = 0;
  int first = core::none, last = core::none;  ///< actions
  bool is_for_step = false;       ///< in the part that stays as it is between the micro-batches of a step
  std::size_t offset = 0;         ///< in its part
};

class kernel_memory {
 public:
  /// The buffers of one action, by their numbers, or `none`.
  struct of_action {
    int scratch = core::none;
    int packed[prepared::max_copies] = {core::none, core::none, core::none, core::none};
    std::size_t copy = 0;      ///< that a `pack` action writes
    bool is_for_step = false;  ///< and whether it does so once for all micro-batches
  };

  kernel_memory() = default;
  /// Of a tape with pack actions. `for_step`: what is kept is read by other micro-batches, too.
  kernel_memory(const tape& steps, const std::vector<packed_weights>& all, const std::vector<pack_action>& packs,
                const prepared_operations& prepared, bool for_step)
      : actions_(steps.actions.size()) {
    for (const packed_weights& w : all)
      if (w.is_kept) kept_bytes_ += aligned(w.bytes);
    std::vector<int> newest(all.size(), core::none);
    for (std::size_t i = 0; for_step && i < all.size(); ++i) {
      if (!all[i].is_kept) continue;
      newest[i] =
          add({all[i].operation, static_cast<int>(i), all[i].bytes, 0, steps.actions.count() - 1, true, step_bytes_});
      step_bytes_ += aligned(all[i].bytes);
    }
    std::vector<std::size_t> first(prepared.count() + 1);
    for (const packed_weights& w : all) ++first[static_cast<std::size_t>(w.operation) + 1];
    for (std::size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
    auto pack = packs.begin();
    for (int now = 0; now < steps.actions.count(); ++now) {
      const action& a = steps.actions[now];
      const auto* state = a.operation == core::none ? nullptr : prepared.state(a.operation);
      if (state == nullptr) continue;
      of_action& here = actions_[static_cast<std::size_t>(now)];
      const passes pass = detail::pass_of(a.kind);
      if (a.kind == action_kind::pack) {
        const std::size_t i = (pack++)->weights;
        here.copy = all[i].copy;
        here.is_for_step = for_step && all[i].is_kept;
        if (!here.is_for_step) newest[i] = add({a.operation, static_cast<int>(i), all[i].bytes, now, now});
        here.packed[here.copy] = newest[i];
      }
      for (std::size_t k = 0; k < state->packed.size(); ++k) {
        if (!state->packed[k].is_read_by(pass)) continue;
        here.packed[k] = newest[first[static_cast<std::size_t>(a.operation)] + k];
        kernel_buffer& read = buffers_[static_cast<std::size_t>(here.packed[k])];
        if (!read.is_for_step) read.last = now;
      }
      if (pass.bits != 0 && state->scratch_of(pass) > 0)
        here.scratch = add({a.operation, core::none, state->scratch_of(pass), now, now});
    }
    place_all(steps);
  }

  const std::vector<kernel_buffer>& buffers() const { return buffers_; }
  const of_action& at(int action) const { return actions_[static_cast<std::size_t>(action)]; }

  /// Of what stays between the micro-batches of a step.
  std::size_t step_bytes() const { return step_bytes_; }
  /// Of the rest.
  std::size_t passing_bytes() const { return passing_bytes_; }
  /// Of all packed weights that are there at once; the rest is what scratch needs in addition.
  std::size_t packed_bytes() const { return step_bytes_ + passing_packed_bytes_; }
  /// Of those that are kept for another use.
  std::size_t kept_bytes() const { return kept_bytes_; }

 private:
  int add(const kernel_buffer& b) {
    buffers_.push_back(b);
    return static_cast<int>(buffers_.size()) - 1;
  }

  void place_all(const tape& steps) {
    core::list<detail::allocation> allocations;
    core::list<std::size_t> live(steps.actions.size() + 1), packed(steps.actions.size() + 1);
    allocations.reserve(buffers_.size());
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
      const kernel_buffer& b = buffers_[i];
      if (b.is_for_step) continue;
      const std::size_t size = aligned(b.bytes);
      const bool waits = b.last > b.first + 1;
      allocations.push_back({static_cast<int>(i), size, b.first, b.last, false, waits, false, 0});
      for (core::list<std::size_t>* bytes : {&live, &packed}) {
        if (bytes == &packed && b.weights == core::none) continue;
        (*bytes)[b.first] += size;  // unsigned sums wrap and come back
        (*bytes)[b.last + 1] -= size;
      }
    }
    for (core::list<std::size_t>* bytes : {&live, &packed})
      for (int now = 1; now < bytes->count(); ++now) (*bytes)[now] += (*bytes)[now - 1];
    passing_bytes_ = detail::place(allocations, live);
    passing_packed_bytes_ = detail::maximum_of(packed);
    for (const detail::allocation& s : allocations) buffers_[static_cast<std::size_t>(s.buffer)].offset = s.offset;
  }

  std::vector<kernel_buffer> buffers_;
  std::vector<of_action> actions_;
  std::size_t step_bytes_ = 0, passing_bytes_ = 0, passing_packed_bytes_ = 0, kept_bytes_ = 0;
};

}  // namespace remat
