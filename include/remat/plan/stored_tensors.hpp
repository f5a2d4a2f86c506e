// SPDX-License-Identifier: MIT
/// Which tensors wait for the backward pass in another form than they were computed in (core/storage.hpp).
///
/// One that waits is stored after its last use in the forward pass, and restored before its first in the backward pass,
/// into a buffer of its own. What is computed again does not wait, and is not stored.
#pragma once

#include <remat/core/storage.hpp>
#include <remat/plan/backward_needs.hpp>
#include <remat/plan/ports.hpp>
#include <remat/plan/segment_plans.hpp>
#include <remat/plan/slice.hpp>

#include <cstddef>

namespace remat {

struct stored_value {
  int tensor = core::none;
  int last_use = core::none;  ///< the last operation of the forward pass that makes or reads it
  const storage_form* form = nullptr;
};

namespace detail {

/// What the innermost checkpoint around each module says that names a storage; empty where none does.
constexpr core::list<const storage_form*> forms_of_nodes(const program& p) {
  core::list<const storage_form*> forms;
  bool has_any = false;
  for (const module_node& n : p.nodes)
    for (const checkpoint_setting& each : n.checkpoints) has_any = has_any || each.storage.form() != nullptr;
  if (!has_any) return forms;
  for (const module_node& n : p.nodes) {
    const storage_form* form = n.parent == core::none ? nullptr : forms[n.parent];
    for (const checkpoint_setting& each : n.checkpoints)
      if (each.storage.form() != nullptr) form = each.storage.form();
    forms.push_back(form);
  }
  return forms;
}

/// What the readers of each tensor say of it.
class storage_votes {
 public:
  constexpr explicit storage_votes(std::size_t tensors) : forms_(tensors), has_readers_(tensors) {}

  /// A reader of t wants it so; null: as it was computed.
  constexpr void add(int t, const storage_form* form) {
    forms_[t] = has_readers_[t] && !are_same(forms_[t], form) ? nullptr : form;
    has_readers_[t] = 1;
  }
  /// Somebody needs it as it was computed.
  constexpr void keep(int t) {
    forms_[t] = nullptr;
    has_readers_[t] = 1;
  }
  constexpr const storage_form* of(int t) const { return forms_[t]; }

 private:
  static constexpr bool are_same(const storage_form* a, const storage_form* b) {
    return a == b || (a != nullptr && b != nullptr && a->is_same_as(*b));
  }

  core::list<const storage_form*> forms_;
  core::list<int> has_readers_;
};

}  // namespace detail

/// Those of a slice, in the order of their last uses.
constexpr core::list<stored_value> stored_values(const program& p, const slice& covered,
                                                 const core::list<stage_port>& ports,
                                                 const core::list<segment_plan>& plans,
                                                 const core::list<backward_need>& needs, std::size_t batch) {
  core::list<stored_value> found;
  const core::list<const storage_form*> forms = detail::forms_of_nodes(p);
  if (forms.empty()) return found;
  core::list<int> is_recomputed(p.operations.size()), last_use(p.tensors.size(), core::none);
  for (const segment_plan& s : plans)
    for (const int i : s.recomputed) is_recomputed[i] = 1;
  detail::storage_votes votes(p.tensors.size());
  for (int i = covered.first; i < covered.last; ++i) {
    const operation& o = p.operations[i];
    const auto waits = [&](int t) {
      if (p.producers[t] == core::none || !is_recomputed[p.producers[t]]) votes.add(t, forms[o.node]);
    };
    detail::each_read(o, needs[i], waits);
    for (const int t : o.inputs) {
      if (is_recomputed[i]) waits(t);
      last_use[t] = i;
    }
    for (const int t : o.outputs) last_use[t] = i;
    for (const int t : o.saved) last_use[t] = i;
  }
  for (const stage_port& each : ports)
    if (!each.is_gradient && votes.of(each.tensor) != nullptr && !votes.of(each.tensor)->is_outside)
      votes.keep(each.tensor);
  for (const int t : p.outputs) votes.keep(t);
  if (p.loss != core::none) votes.keep(p.loss);
  for (int i = covered.first; i < covered.last; ++i) {
    const operation& o = p.operations[i];
    for (const auto* some : {&o.inputs, &o.outputs, &o.saved})
      for (const int t : *some) {
        const storage_form* const form = votes.of(t);
        if (last_use[t] != i || form == nullptr || !form->takes(p.tensors[t])) continue;
        if (some == &o.saved && !form->is_lossless) continue;  // a row's mean, or its largest score
        if (form->is_outside && p.bytes_of(t, false, batch) < form->window.least_bytes) continue;
        found.push_back({t, i, form});
        votes.keep(t);  // once
      }
  }
  return found;
}

}  // namespace remat
