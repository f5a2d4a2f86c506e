// SPDX-License-Identifier: MIT
/// A section of a tape that runs while a trace is taken: where recomputations begin and end in it, and backward actions
/// begin.
#pragma once

#include <remat/core/list.hpp>
#include <remat/distributed/pipeline_trace.hpp>
#include <remat/plan/tape.hpp>

namespace remat {

class traced_section {
 public:
  traced_section(const core::list<action>& actions, const section& which) : actions_(actions), section_(which) {}

  /// Before an action, or at the end of the section: whether a recomputation ends here, or begins; and, where gradients
  /// become final, when the last backward action does.
  void note_beginning(pipeline_trace& trace, int number, bool makes_final) const {
    if (recomputes(number) && !recomputes(number - 1)) trace.begin_recomputing();
    if (recomputes(number - 1) && !recomputes(number)) trace.end_recomputing();
    const int next = after_packing(number);
    if (makes_final && next < section_.last && is_backward(actions_[next])) trace.last_backward = trace.now();
  }

 private:
  bool recomputes(int number) const {
    if (number < section_.first) return false;
    number = after_packing(number);
    return number < section_.last && actions_[number].kind == action_kind::recompute;
  }
  /// Weights are packed for the action that follows.
  int after_packing(int number) const {
    while (number < section_.last && actions_[number].kind == action_kind::pack) ++number;
    return number;
  }
  static bool is_backward(const action& a) {
    return a.kind == action_kind::backward_parameters || a.kind == action_kind::backward_input ||
           a.kind == action_kind::backward;
  }

  const core::list<action>& actions_;
  const section& section_;
};

}  // namespace remat
