// SPDX-License-Identifier: MIT
/// The segments of a program: the runs of operations that its checkpoints drop and compute again.
///
/// A checkpointed module is one segment. A checkpointed sequential is cut into groups of its children, N at a time; a
/// group ends where the stage changes, and grouping starts anew there: a b | c d e in threes gives (a b) (c d e).
/// Segments nest as checkpoints do. A user's value for a path (`checkpoint_at`) replaces a tag.
///
/// No segment crosses a stage. A budget is one of each stage, for what it has of any module. What else would cross is
/// divided or left out, and everything else stays:
///
/// | is on two stages                       | then                                                                 |
/// |----------------------------------------|----------------------------------------------------------------------|
/// | a checkpointed module, no sequential   | it is no segment; checkpoints inside it still count                  |
/// | a child of a checkpointed sequential,  | each stage's part of it counts as a child on that stage              |
/// | itself a sequential                    | (checkpoint_parts.hpp)                                               |
/// | any other child of one                 | it is in no group: one ends before it, the next begins after it;     |
/// |                                        | checkpoints inside it still count                                    |
///
/// `split_checkpoints` and `ignored_checkpoints` name them (divided_checkpoints.hpp).
///
/// A stage may have a policy of its own (`program::stage_policies`), which all checkpoints on it take; their groups
/// stay unless it brings its own. Under `save_all` the stage has no segments.
///
/// A chain policy (`every<K>`, `square_root`) brings the size of its groups, from the children that are together on
/// one stage. The last group of a chain is left as it is, since what it would drop is computed again at once. That
/// holds where the chain ends on the last stage, or inside another segment, whose recomputation goes straight on to
/// the backward pass; before another stage, a group waits until the micro-batch comes back, and is dropped as any
/// other.
///
/// `segments_of` asks each policy once, and is called once for each plan, which holds the segments: nobody asks again.
/// Where a policy answers with segments inside its own (`segment_choice::nested`), they take the place of the
/// checkpoints inside.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/operation_view.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/checkpoint_search.hpp>
#include <remat/plan/plan_request.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/segment_views.hpp>

#include <cstddef>
#include <optional>
#include <string>

namespace remat {

namespace detail {

inline std::string range_text(const nested_segment& s) {
  return "[" + std::to_string(s.first) + ", " + std::to_string(s.last) + ")";
}

/// Throws `error` unless the answer is about the segment's operations.
constexpr void require_choice(const found_segment& s, const segment_choice& choice) {
  const std::size_t operations = static_cast<std::size_t>(s.last - s.first);
  const auto refuse = [&](const std::string& what) {
    throw error("the policy '" + std::string(s.policy->name()) + "' " + what + " for a segment of " +
                std::to_string(operations) + " operations");
  };
  if (choice.decisions.size() > operations)
    refuse("gives " + std::to_string(choice.decisions.size()) + " decisions; it may give one for each");
  for (const nested_segment& inner : choice.nested) {
    if (inner.first >= inner.last || inner.last > operations || inner.last - inner.first == operations)
      refuse("gives the nested segment " + range_text(inner) + "; one holds a part of the operations");
    if (inner.decisions.size() > inner.last - inner.first)
      refuse("gives " + std::to_string(inner.decisions.size()) + " decisions for the nested segment " +
             range_text(inner) + "; it may give one for each operation");
  }
}

class segment_writer {
 public:
  constexpr segment_writer(const program& p, const plan_request& request, const core::list<found_segment>& found,
                           const core::list<chosen_range>& chosen)
      : p_(p), request_(request), found_(found), chosen_(chosen), moved_(found.size(), core::none) {}

  constexpr core::list<segment> run() {
    int decided = core::none;  // operations before this one are in a segment whose policy says what is inside
    for (int f = 0; f < found_.count(); ++f) {
      const found_segment& s = found_[f];
      if (s.first < decided) continue;
      moved_[f] = made_.count();
      segment& mine = made_.push_back({s.first,
                                       s.last,
                                       s.parent == core::none ? core::none : moved_[s.parent],
                                       s.node,
                                       s.policy->name(),
                                       {},
                                       s.policy->has_budget()});
      if (s.policy->has_budget()) {
        add_chosen(s, made_.count() - 1);
        decided = s.last;
      } else if (const std::optional<decision> always = s.policy->always()) {
        if (*always == decision::keep)
          mine.decisions = core::list<decision>(static_cast<std::size_t>(s.last - s.first), decision::keep);
      } else if (ask(s, made_.count() - 1)) {
        decided = s.last;
      }
    }
    return static_cast<core::list<segment>&&>(made_);
  }

 private:
  /// Asks the policy of segment `mine`; whether it says what segments are inside.
  constexpr bool ask(const found_segment& s, int mine) {
    if (!views_) views_.emplace(p_, request_);
    const segment_views seen = views_->views(s.first, s.last);
    segment_choice choice =
        s.policy->choose({seen.operations.data(), seen.operations.size()},
                         {request_.batch, p_.operations[s.first].stage, request_.covered.in_flight, request_.bytes});
    require_choice(s, choice);
    made_[mine].decisions = static_cast<core::list<decision>&&>(choice.decisions);
    add_nested(s, mine, choice.nested);
    return !choice.nested.empty();
  }

  /// Outer ones first, siblings in program order.
  static constexpr void sort(core::list<nested_segment>& nested) {
    for (int i = 1; i < nested.count(); ++i)
      for (int k = i; k > 0 && (nested[k].first < nested[k - 1].first ||
                                (nested[k].first == nested[k - 1].first && nested[k].last > nested[k - 1].last));
           --k) {
        const nested_segment swapped = nested[k];
        nested[k] = nested[k - 1];
        nested[k - 1] = swapped;
      }
  }

  constexpr void add_nested(const found_segment& s, int mine, core::list<nested_segment>& nested) {
    sort(nested);
    for (int i = 0, around = mine; i < nested.count(); ++i) {
      segment inner{s.first + static_cast<int>(nested[i].first),
                    s.first + static_cast<int>(nested[i].last),
                    core::none,
                    s.node,
                    s.policy->name(),
                    static_cast<core::list<decision>&&>(nested[i].decisions),
                    s.policy->has_budget()};
      while (made_[around].last <= inner.first) around = made_[around].parent;
      if (inner.last > made_[around].last || (inner.first == made_[around].first && inner.last == made_[around].last))
        throw error("the policy '" + std::string(s.policy->name()) + "' gives the nested segment " +
                    range_text(nested[i]) +
                    ", which overlaps another or is the same; two of them are apart, or one "
                    "holds the other");
      inner.parent = around;
      if (s.policy->has_budget()) describe(inner);
      around = made_.count();
      made_.push_back(static_cast<segment&&>(inner));
    }
  }

  /// Of a budget's segment: what is in none of the chosen ranges is kept, and what one of them gives those after it.
  constexpr void add_chosen(const found_segment& s, int mine) {
    made_[mine].decisions = core::list<decision>(static_cast<std::size_t>(s.last - s.first), decision::keep);
    const bool is_all = has(s.first, s.last);
    if (is_all) describe(made_[mine]);
    core::list<nested_segment> nested;
    int done = s.first;
    for (const chosen_range& each : chosen_) {
      if (each.first < s.first || each.last > s.last) continue;
      if (each.last > done) {
        for (int i = each.first; i < each.last; ++i)
          if (is_all || last_reader(i) < each.last) made_[mine].decisions[i - s.first] = decision::recompute;
        done = each.last;
      }
      if (each.first > s.first || each.last < s.last)
        nested.push_back(
            {static_cast<std::size_t>(each.first - s.first), static_cast<std::size_t>(each.last - s.first)});
    }
    add_nested(s, mine, nested);
  }
  constexpr bool has(int first, int last) const {
    for (const chosen_range& each : chosen_)
      if (each.first == first && each.last == last) return true;
    return false;
  }
  /// Ranges and segments are in preorder, so that the next one is found where the last was.
  constexpr void describe(segment& chosen) {
    chosen.is_chosen = true;
    for (int k = 0, all = chosen_.count(); k < all; ++k) {
      const int here = (described_ + k) % all;
      if (chosen_[here].first != chosen.first || chosen_[here].last != chosen.last) continue;
      chosen.staying = chosen_[here].staying;
      described_ = here + 1;
      return;
    }
  }
  /// The last operation that reads an output of operation i.
  constexpr int last_reader(int i) {
    if (last_readers_.empty()) {
      last_readers_ = core::list<int>(p_.operations.size(), core::none);
      for (int reader = 0; reader < p_.operations.count(); ++reader)
        for (int t : p_.operations[reader].inputs)
          if (p_.producers[t] != core::none) last_readers_[p_.producers[t]] = reader;
    }
    return last_readers_[i];
  }

  const program& p_;
  const plan_request& request_;
  const core::list<found_segment>& found_;
  const core::list<chosen_range>& chosen_;
  core::list<int> last_readers_ = {};
  std::optional<view_maker> views_ = {};  // made where a policy looks
  core::list<int> moved_;                 // of each found segment, its number among those made
  core::list<segment> made_ = {};
  int described_ = 0;  // one after the range that was described last
};

}  // namespace detail

/// The segments of what the request covers, with what their policies keep; a segment is before those inside it, and
/// siblings are in program order. Throws `error` for an answer of a policy that is not about its segment. Of what has a
/// budget, these ranges are computed again, in preorder; nothing, where they are not given.
constexpr core::list<segment> segments_of(const program& p, const plan_request& request,
                                          const core::list<chosen_range>& chosen = {}) {
  detail::segment_search search{p};
  search.run(request.covered.stage);
  return detail::segment_writer(p, request, search.found, chosen).run();
}

}  // namespace remat
