// SPDX-License-Identifier: MIT
/// What the budgets of a program may choose: for each of a grid of quanta, the fastest schedule that a solver finds.
///
/// The grid depends on the program, the batch and what is covered, not on how many bytes a budget has. What checkpoints
/// that are no budget's drop takes no memory, as a rule: all budgets outside of them are one problem, in which the
/// operations around them take part, and each budget inside of one is a problem of its own. Or all budgets are one
/// problem, which counts the segments of those checkpoints (other_checkpoints.hpp).
#pragma once

#include <remat/plan/checkpoint_search.hpp>
#include <remat/plan/other_checkpoints.hpp>
#include <remat/plan/plan_request.hpp>
#include <remat/plan/segment.hpp>
#include <remat/plan/spine_maker.hpp>
#include <remat/plan/spine_solver.hpp>
#include <remat/plan/stored_tensors.hpp>

#include <cstddef>

namespace remat {

/// Segments that are computed again, in preorder, and what the solver thinks that costs.
struct budget_choice {
  double again = 0;
  core::list<chosen_range> ranges = {};
  int ahead = 0;          ///< how many of the outermost ones, the last, are computed before a gradient is waited for
  disk_use on_disk = {};  ///< what leaves the arena
};

namespace detail {

/// Into how many quanta the bytes of save_all are divided: tables grow with their number, and with the cube of the
/// operations'.
constexpr int levels_for(int operations) { return operations <= 16 ? 64 : 256; }

/// Into what a problem divides memory.
struct memory_grid {
  std::size_t quantum = alignment;
  int levels = 0;
};
constexpr memory_grid grid_for(int operations, std::size_t save_all_bytes) {
  memory_grid grid{alignment, levels_for(operations)};
  const std::size_t quantum =
      (save_all_bytes + static_cast<std::size_t>(grid.levels) - 1) / static_cast<std::size_t>(grid.levels);
  if (quantum > grid.quantum) grid.quantum = quantum;
  return grid;
}

class budget_problems {
 public:
  /// Of one problem: tables grow with the square of their number, to 1 GB.
  static constexpr int most_operations = 5'000;
  /// How many operations the longest problem has: all of a slice where one of its budgets is in no other checkpoint.
  static constexpr int longest_problem(const program& p, const slice& covered) {
    segment_search search{p};
    search.run(covered.stage);
    int longest = 0;
    for (const found_segment& each : search.found) {
      if (!each.policy->has_budget() || is_in_budget(search.found, each.parent)) continue;
      const int operations = each.parent == core::none ? covered.last - covered.first : each.last - each.first;
      longest = operations > longest ? operations : longest;
    }
    return longest;
  }

  constexpr budget_problems(const program& p, const plan_request& request, const slice& covered,
                            const core::list<stage_port>& ports, const core::list<backward_need>& needs,
                            memory_grid grid, rounding how, const view_of_others& others = {})
      : p_(p), request_(request), ports_(ports), needs_(needs), levels_(grid.levels), quantum_(grid.quantum) {
    segment_search search{p};
    search.run(covered.stage);
    core::list<int> group(static_cast<std::size_t>(covered.last - covered.first), core::none);
    core::list<int> is_dropped(group.size());
    const core::list<const storage_form*> forms = forms_of_nodes(p);
    for (int k = 0; k < search.found.count(); ++k) {
      const found_segment& each = search.found[k];
      if (is_in_budget(search.found, each.parent)) continue;
      if (!each.policy->has_budget()) {
        const bool waits = !forms.empty() && forms[each.node] != nullptr;  // in another form, or elsewhere
        if (waits || (!others.take_memory && each.policy->always() != decision::keep))
          for (int i = each.first; i < each.last; ++i) is_dropped[i - covered.first] = 1;
        continue;
      }
      if (each.parent != core::none && !others.take_memory) {
        inner_.push_back({each.first, each.last});
        continue;
      }
      has_outer_ = true;
      for (int i = each.first; i < each.last; ++i) group[i - covered.first] = k;
    }
    if (has_outer_) add(covered, ports_, group, is_dropped, others, how);
    for (const chosen_range& each : inner_)
      add({each.first, each.last}, no_ports_, core::list<int>(static_cast<std::size_t>(each.last - each.first), 0), {},
          {}, how);
  }

  constexpr int levels() const { return levels_; }
  /// The fewest quanta for which there is a choice.
  constexpr int least() const {
    int found = levels_ + 1;
    for (const problem* each : all_)
      if (each->solver.least() < found) found = each->solver.least();
    return found;
  }
  constexpr double again(int quanta) const {
    double sum = 0;
    for (const problem* each : all_)
      if (is_solved(*each)) sum += each->solver.again(at(*each, quanta));
    return sum;
  }
  constexpr budget_choice choice(int quanta) {
    budget_choice made;
    for (problem* each : all_) {
      if (!is_solved(*each)) continue;
      const spine_solution found = each->solver.solution(at(*each, quanta));
      made.again += found.again;
      made.on_disk.tensors.append(found.outside.begin(), found.outside.end());
      for (const spine_segment& s : found.segments)
        made.ranges.push_back({each->chain.first + s.first, each->chain.first + s.last, s.staying});
    }
    return made;
  }

  /// What the forward pass keeps may leave memory, and costs this share of its transfers (spine_solver.hpp). Where all
  /// budgets are inside of other checkpoints, nothing does.
  constexpr bool set_price(double price, const core::list<double>& transfers) {
    if (!has_outer_) return false;
    all_[0]->chain.transfer = transfers;
    all_[0]->solver.set_price(price);
    return true;
  }

  /// That of the budgets outside of other checkpoints, or null.
  constexpr const spine* outer() const { return has_outer_ ? &all_[0]->chain : nullptr; }

  budget_problems(const budget_problems&) = delete;
  budget_problems& operator=(const budget_problems&) = delete;
  constexpr ~budget_problems() {
    for (problem* each : all_) delete each;
  }

 private:
  struct problem {
    spine chain;
    spine_solver solver;

    constexpr problem(const program& p, spine&& s, int levels, bool is_bound)
        : chain(static_cast<spine&&>(s)), solver(p, chain, levels, is_bound) {}
  };

  /// Where one has no schedule in all quanta, which rounding may make of a close one, all of it is kept.
  constexpr bool is_solved(const problem& each) const { return each.solver.least() <= levels_; }
  static constexpr int at(const problem& each, int quanta) {
    return quanta < each.solver.least() ? each.solver.least() : quanta;
  }
  constexpr void add(const slice& covered, const core::list<stage_port>& ports, const core::list<int>& group,
                     const core::list<int>& is_dropped, const view_of_others& others, rounding how) {
    spine made = spine_maker(p_, covered, ports, needs_, request_.batch, request_.costs, quantum(quantum_, how))
                     .dropping(is_dropped)
                     .make();
    made.group = group;
    add_fixed(made, p_, others.dropped);
    all_.push_back(new problem(p_, static_cast<spine&&>(made), levels_, how == rounding::down));
  }

  const program& p_;
  const plan_request& request_;
  const core::list<stage_port>& ports_;
  core::list<stage_port> no_ports_ = {};
  const core::list<backward_need>& needs_;
  int levels_;
  std::size_t quantum_;
  bool has_outer_ = false;
  core::list<chosen_range> inner_ = {};
  core::list<problem*> all_ = {};
};

}  // namespace detail

}  // namespace remat
