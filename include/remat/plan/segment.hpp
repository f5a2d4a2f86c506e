// SPDX-License-Identifier: MIT
/// A segment: a run of operations that a checkpoint drops and computes again, and what its policy keeps of it.
#pragma once

#include <remat/core/list.hpp>
#include <remat/core/none.hpp>
#include <remat/core/operation_view.hpp>

#include <string_view>

namespace remat {

struct segment {
  int first = 0, last = 0;              ///< operations [first, last)
  int parent = core::none;              ///< the segment around it
  int node = 0;                         ///< whose checkpoint it is
  std::string_view policy = {};         ///< its name
  core::list<decision> decisions = {};  ///< of its operations; those that it says nothing of are recomputed
  bool has_budget = false;              ///< its checkpoint says by bytes what is kept
  bool is_chosen = false;               ///< for a budget, which looks at more than what it keeps: it is not left plain
  core::list<int> staying = {};         ///< then, of what is read after it, this alone stays for its backward pass

  /// What is read after the segment may stay for its backward pass.
  constexpr bool lets_stay(int tensor) const {
    if (!is_chosen) return true;
    for (int each : staying)
      if (each == tensor) return true;
    return false;
  }
  constexpr bool keeps(int operation) const {
    return operation - first < decisions.count() && decisions[operation - first] == decision::keep;
  }
};

/// Operations [first, last) of a program that a budget computes again.
struct chosen_range {
  int first = 0, last = 0;
  core::list<int> staying = {};  ///< of the tensors that are read after it, those that stay for its backward pass
};

constexpr bool are_same(const chosen_range& a, const chosen_range& b) {
  if (a.first != b.first || a.last != b.last || a.staying.count() != b.staying.count()) return false;
  for (int k = 0; k < a.staying.count(); ++k)
    if (a.staying[k] != b.staying[k]) return false;
  return true;
}
constexpr bool are_same(const core::list<chosen_range>& a, const core::list<chosen_range>& b) {
  if (a.count() != b.count()) return false;
  for (int k = 0; k < a.count(); ++k)
    if (!are_same(a[k], b[k])) return false;
  return true;
}

/// What a segment does in the backward pass (segment_plans.hpp).
struct segment_plan {
  core::list<int> kept = {};        ///< tensors that wait between forward and this segment's backward
  core::list<int> recomputed = {};  ///< operations, in program order; empty where nothing is dropped
  bool is_plain = false;            ///< it would have kept more than without a checkpoint
};

}  // namespace remat
