// SPDX-License-Identifier: MIT
/// Which tensors wait for the backward pass in another form than they were computed in (core/storage.hpp).
///
/// One that waits is stored after its last use in the forward pass, and restored before its first in the backward pass,
/// into a buffer of its own. What is computed again does not wait, and is not stored. Of what a storage takes out of
/// the arena in a budget's checkpoint, those tensors are stored that the budget chooses: among them what one segment is
/// computed again from, although the segment that makes it is computed again later.
#pragma once

#include <remat/core/storage_setting.hpp>
#include <remat/plan/backward_needs.hpp>
#include <remat/plan/disk_use.hpp>
#include <remat/plan/ports.hpp>
#include <remat/plan/segment.hpp>
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

/// Of each module, 1 where the innermost checkpoint that names a storage is a budget's, which may use it or not: it
/// leaves the arena.
constexpr core::list<int> nodes_with_choice(const program& p) {
  core::list<int> made;
  for (const module_node& n : p.nodes) {
    int has = n.parent == core::none ? 0 : made[n.parent];
    for (const checkpoint_setting& each : n.checkpoints)
      if (each.storage.form() != nullptr) has = each.policy.has_budget() && each.storage.form()->is_outside ? 1 : 0;
    made.push_back(has);
  }
  return made;
}

/// Whether anything waits in another form that no budget chooses.
constexpr bool must_store(const program& p) {
  const core::list<const storage_form*> forms = forms_of_nodes(p);
  const core::list<int> has_choice = nodes_with_choice(p);
  for (int n = 0; n < forms.count(); ++n)
    if (forms[n] != nullptr && !has_choice[n]) return true;
  return false;
}

/// Whether the budgets of a program may take tensors out of the arena.
constexpr bool may_leave_arena(const program& p) {
  for (const module_node& n : p.nodes)
    for (const checkpoint_setting& each : n.checkpoints)
      if (each.policy.has_budget() && each.storage.form() != nullptr && each.storage.form()->is_outside) return true;
  return false;
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

/// Of each operation that is computed again, the end of the outermost segment that does; whoever is after it reads what
/// the forward pass has computed.
constexpr core::list<int> ends_of_recomputation(const program& p, const core::list<segment>& segments,
                                                const core::list<segment_plan>& plans) {
  core::list<int> ends(p.operations.size(), core::none);
  for (int s = 0; s < segments.count(); ++s)
    for (const int i : plans[s].recomputed)
      if (ends[i] == core::none) ends[i] = segments[s].last;
  return ends;
}

}  // namespace detail

/// Those of a slice, in the order of their last uses; `outside`: the tensors that budgets choose.
constexpr core::list<stored_value> stored_values(const program& p, const slice& covered,
                                                 const core::list<stage_port>& ports,
                                                 const core::list<segment>& segments,
                                                 const core::list<segment_plan>& plans,
                                                 const core::list<backward_need>& needs, std::size_t batch,
                                                 const core::list<int>& outside) {
  core::list<stored_value> found;
  const core::list<const storage_form*> forms = detail::forms_of_nodes(p);
  if (forms.empty()) return found;
  const core::list<int> has_choice = detail::nodes_with_choice(p);
  core::list<int> last_use(p.tensors.size(), core::none), stays(p.tensors.size());
  const core::list<int> again_until = detail::ends_of_recomputation(p, segments, plans);
  detail::storage_votes votes(p.tensors.size());
  for (int i = covered.first; i < covered.last; ++i) {
    const operation& o = p.operations[i];
    const auto waits = [&](int t) {
      const int producer = p.producers[t];
      if (producer != core::none && i < again_until[producer]) return;
      if (producer != core::none && again_until[producer] != core::none && !has_choice[o.node]) return;
      votes.add(t, forms[o.node]);
      if (has_choice[o.node]) stays[t] = 1;
    };
    detail::each_read(o, needs[i], waits);
    for (const int t : o.inputs) {
      if (again_until[i] != core::none) waits(t);
      last_use[t] = i;
    }
    for (const int t : o.outputs) last_use[t] = i;
    for (const int t : o.saved) last_use[t] = i;
  }
  for (const stage_port& each : ports)
    if (!each.is_gradient && votes.of(each.tensor) != nullptr && !votes.of(each.tensor)->is_outside)
      votes.keep(each.tensor);
  for (const int t : outside) stays[t] = 0;
  for (int t = 0; t < stays.count(); ++t)
    if (stays[t]) votes.keep(t);
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
