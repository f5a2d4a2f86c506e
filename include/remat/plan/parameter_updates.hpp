// SPDX-License-Identifier: MIT
/// The updates of parameters within a step: each once its gradient is final and nothing reads its values any more,
/// while both are in the cache.
///
/// They are written into a tape that is there: after the last action of all operations that have the parameter,
/// recomputations included. A shared parameter's places are added up just before, in the order of the program. What no
/// gradient reaches is updated at the end, from zeros, as an optimizer does that is given a block of gradients.
///
/// Gradients are in a block, where other micro-batches have added theirs, or are buffers of the tape: each from the
/// action that makes it to the update.
///
/// In a slice of the program, a parameter that is shared is left to who knows all of its places.
#pragma once

#include <remat/plan/tape.hpp>
#include <remat/plan/updating.hpp>

namespace remat {

namespace detail {

class update_writer {
 public:
  constexpr update_writer(const program& p, const tape& written, bool has_buffers, bool is_whole, int region)
      : p_(p),
        old_(written),
        has_buffers_(has_buffers),
        is_whole_(is_whole),
        region_(region),
        moved_(written.actions.size() + 1),
        is_trained_(p.parameters.size(), 1),
        places_(p.parameters.size()),
        made_(p.parameters.size(), core::none),
        after_(p.parameters.size(), core::none),
        next_(p.parameters.size(), core::none),
        first_(written.actions.size(), core::none) {
    out_.alignment = written.alignment;
    out_.has_transfers = written.has_transfers;
    if (has_buffers) out_.parameter_gradients = core::list<int>(p.parameters.size(), core::none);
    out_.actions.reserve(written.actions.size() + 2 * p.parameters.size());
    out_.buffers.reserve(written.buffers.size() + p.parameters.size());
  }

  constexpr tape write() {
    find_owners();
    find_uses();
    for (int i = 0; i < old_.actions.count(); ++i) {
      moved_[i] = now();
      define_gradients(old_.actions[i]);
      out_.actions.push_back(old_.actions[i]);
      for (int owner = first_[i]; owner != core::none; owner = next_[owner]) update(owner);
    }
    moved_[old_.actions.count()] = now();
    move_buffers();
    for (const section& s : old_.sections) out_.sections.push_back({s.name, moved_[s.first], moved_[s.last]});
    return static_cast<tape&&>(out_);
  }

 private:
  constexpr int now() const { return out_.actions.count(); }
  constexpr int owner_of(int slot) const { return p_.parameters[slot].owner; }

  /// Where it is frozen in one of its places, it is in all.
  constexpr void find_owners() {
    for (const operation& o : p_.operations)
      for (int k = 0; k < o.parameters; ++k) {
        const int owner = owner_of(o.first_parameter + k);
        if (o.frozen) is_trained_[owner] = 0;
        ++places_[owner];
      }
  }

  /// The action after which each parameter is updated. One that no gradient reaches: the last of all.
  constexpr void find_uses() {
    for (int i = 0; i < old_.actions.count(); ++i) {
      const action& a = old_.actions[i];
      if (a.operation == core::none) continue;
      const operation& o = p_.operations[a.operation];
      for (int k = 0; k < o.parameters; ++k) {
        const int slot = o.first_parameter + k;
        if (makes_gradients(a)) made_[slot] = i;
        after_[owner_of(slot)] = i;
      }
    }
    core::list<int> is_reached(p_.parameters.size());
    for (int slot = 0; slot < p_.parameters.count(); ++slot)
      if (made_[slot] != core::none) is_reached[owner_of(slot)] = 1;
    for (int owner = p_.parameters.count(); owner-- > 0;) {
      if (after_[owner] == core::none || !is_updated(owner)) continue;
      const int after = is_reached[owner] ? after_[owner] : old_.actions.count() - 1;
      next_[owner] = first_[after];
      first_[after] = owner;
    }
  }
  constexpr bool is_updated(int owner) const {
    return owner_of(owner) == owner && is_trained_[owner] && (is_whole_ || places_[owner] == 1);
  }
  static constexpr bool makes_gradients(const action& a) {
    return a.kind == action_kind::backward_parameters || a.kind == action_kind::backward;
  }

  /// Those that an action is about to make.
  constexpr void define_gradients(const action& a) {
    if (!has_buffers_ || !makes_gradients(a)) return;
    const operation& o = p_.operations[a.operation];
    for (int k = 0; k < o.parameters; ++k) define(o.first_parameter + k);
  }
  constexpr void define(int slot) {
    const int time = now(), b = gradients_.count();
    buffer made{core::none, true, p_.parameters[slot].declared.elements() * sizeof(float), time, time, b, region_};
    made.parameter = slot;
    out_.parameter_gradients[slot] = b;
    gradients_.push_back(made);
  }

  constexpr void update(int owner) {
    for (int slot = owner; slot < p_.parameters.count(); ++slot) {
      if (owner_of(slot) != owner) continue;
      if (made_[slot] == core::none && has_buffers_) {
        define(slot);
        add(action_kind::clear_gradient, slot);
      }
      if (places_[owner] == 1) break;
    }
    if (places_[owner] > 1) {
      if (has_buffers_)
        for (int slot = owner; slot < p_.parameters.count(); ++slot)
          if (owner_of(slot) == owner) use(slot);
      add(action_kind::sum_places, owner);
    }
    if (has_buffers_) use(owner);
    add(action_kind::update, owner);
  }
  constexpr void use(int slot) { gradients_[out_.parameter_gradients[slot]].last = now(); }
  constexpr void add(action_kind kind, int slot) {
    action a{kind};
    a.parameter = slot;
    out_.actions.push_back(a);
  }

  /// Those that were there keep their numbers, which actions know; gradients follow them.
  constexpr void move_buffers() {
    const int before = old_.buffers.count();
    for (buffer b : old_.buffers) {
      b.first = moved_[b.first];
      b.last = moved_[b.last];
      out_.buffers.push_back(b);
    }
    for (buffer b : gradients_) {
      b.allocation += before;
      out_.buffers.push_back(b);
    }
    for (int& b : out_.parameter_gradients)
      if (b != core::none) b += before;
  }

  const program& p_;
  const tape& old_;
  bool has_buffers_, is_whole_;
  int region_;
  tape out_;
  core::list<buffer> gradients_;
  core::list<int> moved_;                // of each action, its new number
  core::list<int> is_trained_, places_;  // of each owner
  core::list<int> made_;                 // of each slot, the action that makes its gradient
  core::list<int> after_;                // of each owner, the last action that uses the parameter
  core::list<int> next_, first_;  // of each action, the first owner to be updated then, and of each owner the next
};

}  // namespace detail

/// A tape of training with updates. Gradients that are buffers are in this region, until they are placed
/// (gradient_placement.hpp).
constexpr tape with_updates(const program& p, const tape& written, updating how, bool is_whole, int gradient_region) {
  return detail::update_writer(p, written, how == updating::from_arena, is_whole, gradient_region).write();
}

}  // namespace remat
