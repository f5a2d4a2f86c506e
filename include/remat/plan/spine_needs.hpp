// SPDX-License-Identifier: MIT
/// What computing a segment of a spine again takes: which of its operations run, and which tensors must be there.
///
/// Recomputation stops early: of a segment [s, t) an operation runs only where something leads from it to a tensor that
/// the backward pass of the segment reads. Which do depends on how it ends alone: on t, and on whether what it makes
/// and what is read after it, too, stays for its backward pass, or is computed again. What would be computed again in
/// any case, with something else that its operation makes, does not stay.
///
/// The last operation that a spine knows of has no segment after it: up to there all operations run, for the first
/// time.
#pragma once

#include <remat/model/program.hpp>
#include <remat/plan/spine.hpp>

#include <cstddef>
#include <cstdint>

namespace remat::detail {

/// A set of the tensors of a frontier, one bit for each.
using frontier_set = std::uint32_t;

/// How a segment ends: before operation `at`; and whether what leaves it stays for its backward pass.
struct spine_end {
  int at = 0;
  bool stays = false;

  constexpr int number() const { return 2 * at + (stays ? 1 : 0); }
};

class spine_needs {
 public:
  /// A tensor that the segments with an end make, and that stays for their backward pass.
  struct boundary {
    int tensor = core::none;
    int producer = 0;
  };

  constexpr spine_needs(const program& p, const spine& s)
      : p_(p), spine_(s), runs_(cells()), needed_(cells()), boundaries_(2 * (static_cast<std::size_t>(s.count) + 1)) {
    for (int t = 1; t <= s.count; ++t) {
      look_back_from({t, false});
      if (t < s.count) look_back_from({t, true});
    }
  }

  /// Whether operation i runs where a segment [s, t) with s <= i < t is computed again.
  constexpr bool runs(int i, spine_end t) const { return runs_.data()[cell(i, t)] != 0; }
  /// Of the frontier before s, what [s, t) needs.
  constexpr frontier_set needed(int s, spine_end t) const { return needed_.data()[cell(s, t)]; }
  /// Of these, a segment [s, t) has those that are made at or after s.
  constexpr const core::list<boundary>& boundaries(spine_end t) const { return boundaries_.data()[t.number()]; }
  constexpr int boundary_weight(int s, spine_end t) const {
    int sum = 0;
    for (const boundary& each : boundaries(t))
      if (each.producer >= s) sum += spine_.weight.data()[each.tensor];
    return sum;
  }
  /// Of those that come in at the operations [s, end): a pass over these counts them itself.
  constexpr int coming_weight(int s, int end, spine_end t) const {
    int sum = 0;
    for (const boundary& each : boundaries(t))
      if (each.producer >= s && each.producer < end && comes_in(each.tensor)) sum += spine_.weight.data()[each.tensor];
    return sum;
  }
  /// What a pass counts as needed at its end that has come in before s, and that [s, t) does not need.
  constexpr int gone_weight(int s, spine_end t) const {
    int sum = 0;
    for (const boundary& each : boundaries(t))
      if (each.producer < s && comes_in(each.tensor) && !core::is_among(spine_.frontier.data()[s], each.tensor))
        sum += spine_.weight.data()[each.tensor];
    return sum;
  }
  constexpr bool is_boundary(int tensor, spine_end t) const {
    for (const boundary& each : boundaries(t))
      if (each.tensor == tensor) return true;
    return false;
  }
  /// Whether [s, t) may begin with a segment that ends at u: what stays for the one around stays for what it is made
  /// in, too.
  constexpr bool may_end(int s, spine_end u, spine_end t) const {
    if (u.stays) return true;
    for (const boundary& each : boundaries(t))
      if (each.producer >= s && each.producer < u.at && !comes_in(each.tensor)) return false;
    return true;
  }

  /// It is no operation of the spine's that makes it: it is there from its first reader on, and never computed again.
  constexpr bool comes_in(int tensor) const { return p_.producers[tensor] < spine_.first; }

 private:
  constexpr std::size_t cells() const {
    return 2 * (static_cast<std::size_t>(spine_.count) + 1) * (static_cast<std::size_t>(spine_.count) + 1);
  }
  constexpr std::size_t cell(int i, spine_end t) const {
    return static_cast<std::size_t>(t.number()) * (static_cast<std::size_t>(spine_.count) + 1) +
           static_cast<std::size_t>(i);
  }

  constexpr void look_back_from(spine_end t) {
    core::list<int> wanted(p_.tensors.size()), needed(p_.tensors.size());
    core::list<boundary>& staying = boundaries_[t.number()];
    const bool is_first_pass = t.at == spine_.count;
    const auto read = [&](int tensor) {
      needed[tensor] = 1;
      const int producer = spine_.producer[tensor];
      if (is_first_pass || producer < 0) return;
      if (comes_in(tensor)) {
        if (!is_boundary(tensor, t)) staying.push_back({tensor, producer});
        return;
      }
      if (!t.stays || spine_.stays_until[tensor] < t.at) {
        wanted[tensor] = 1;
        return;
      }
      if (!is_boundary(tensor, t)) staying.push_back({tensor, producer});
    };
    for (int i = t.at; i-- > 0;) {
      const operation& o = p_.operations[spine_.first + i];
      for (const spine_read& each : spine_.operations[i].reads) read(each.tensor);
      bool again = is_first_pass;
      for (const auto* some : {&o.outputs, &o.saved})
        for (int tensor : *some) again = again || wanted[tensor] != 0;
      if (again) {
        runs_[cell(i, t)] = 1;
        for (int tensor : o.inputs) read(tensor);
      }
      const core::list<int>& here = spine_.frontier[i];
      frontier_set set = 0;
      for (int k = 0; k < here.count(); ++k)
        if (needed[here[k]]) set |= frontier_set{1} << k;
      needed_[cell(i, t)] = set;
    }
    core::list<boundary> others;
    for (const boundary& each : staying)
      if (comes_in(each.tensor) || runs_[cell(each.producer, t)] == 0) others.push_back(each);
    staying = static_cast<core::list<boundary>&&>(others);
  }

  const program& p_;
  const spine& spine_;
  core::list<std::uint8_t> runs_;
  core::list<frontier_set> needed_;
  core::list<core::list<boundary>> boundaries_;
};

}  // namespace remat::detail
