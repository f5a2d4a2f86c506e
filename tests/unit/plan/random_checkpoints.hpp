// SPDX-License-Identifier: MIT
/// Random programs with budgets inside of other checkpoints, and next to them.
#pragma once

#include "random_chains.hpp"

#include <remat/core/policies.hpp>

#include <utility>
#include <vector>

namespace random_checkpoints {

using random_chains::maker, random_chains::ranges;
using remat::budget, remat::checkpoint_setting, remat::program;

/// Where the budget is: its part of the chain is called b, what is before it a, and what is after it c.
enum class layout {
  inside_recompute_all,  ///< of a, b and c
  inside_two,            ///< recompute_all of a and of all of them
  inside_every,          ///< every<2> or every<3> of the operations of a, of b, and of the operations of c
  inside_square_root,
  after_another,  ///< recompute_all of a
  before_another,
  between_two,
  next_to_every,     ///< every<1> or every<2> of the operations of a, or of c
  next_to_all_that,  ///< recompute_all of b and c, in which b has its budget, and of a
  two_budgets,       ///< of a, and of b, which is inside of recompute_all with c
  count
};

struct made_program {
  program p;
  std::vector<std::pair<int, int>> budgets;  ///< the operations that have one
};

/// Modules of a chain in preorder.
class module_tree {
 public:
  int begin(int first, bool is_sequential) {
    remat::module_node n;
    n.kind = "chain";
    n.parent = open_.empty() ? remat::core::none : open_.back();
    n.position = n.parent == remat::core::none ? positions_++ : children_[static_cast<std::size_t>(n.parent)]++;
    n.first = first;
    n.is_sequential = is_sequential;
    open_.push_back(static_cast<int>(nodes_.size()));
    nodes_.push_back(n);
    children_.push_back(0);
    return open_.back();
  }
  void end(int last) {
    nodes_[static_cast<std::size_t>(open_.back())].last = last;
    nodes_[static_cast<std::size_t>(open_.back())].end = static_cast<int>(nodes_.size());
    open_.pop_back();
  }
  void add_each(int first, int last) {
    for (int i = first; i < last; ++i) begin(i, false), end(i + 1);
  }
  void check(checkpoint_setting setting) {
    nodes_[static_cast<std::size_t>(open_.back())].checkpoints.push_back(setting);
  }

  void write(program& p) const {
    p.nodes.clear();
    for (const remat::module_node& n : nodes_) p.nodes.push_back(n);
    for (int n = 0; n < p.nodes.count(); ++n)
      for (int i = p.nodes[n].first; i < p.nodes[n].last; ++i) p.operations[i].node = n;
  }

 private:
  std::vector<remat::module_node> nodes_;
  std::vector<int> open_, children_;
  int positions_ = 0;
};

inline made_program make(unsigned seed, layout where, int operations, bool has_skips,
                         random_chains::peculiarity some = random_chains::peculiarity::nothing) {
  maker random(seed);
  const int n = random.pick(3, operations + 1);
  made_program made{random.chain(n, has_skips, {budget{}}, some), {}};
  int a = random.pick(0, n - 1), b = random.pick(a + 1, n + 1);
  const bool needs_before = where == layout::after_another || where == layout::between_two ||
                            where == layout::next_to_all_that || where == layout::two_budgets;
  const bool needs_after = where == layout::before_another || where == layout::between_two ||
                           where == layout::next_to_all_that || where == layout::two_budgets;
  if (needs_before && a == 0) a = 1;
  if (b <= a) b = a + 1;
  if (needs_after && b == n) b = n - 1;
  if (b <= a) a = b - 1;
  const checkpoint_setting all{remat::recompute_all{}};
  module_tree tree;
  const auto part = [&](int first, int last, const checkpoint_setting* setting) {
    if (first == last) return;
    tree.begin(first, true);
    if (setting != nullptr) tree.check(*setting);
    tree.add_each(first, last);
    tree.end(last);
  };
  const auto limited = [&](int first, int last) {
    tree.begin(first, false);
    tree.check({budget{}});
    tree.end(last);
    made.budgets.push_back({first, last});
  };
  tree.begin(0, true);
  switch (where) {
    case layout::inside_recompute_all:
      tree.check(all);
      part(0, a, nullptr), limited(a, b), part(b, n, nullptr);
      break;
    case layout::inside_two:
      tree.check(all);
      tree.begin(0, true);
      tree.check(all);
      part(0, a, nullptr), limited(a, b);
      tree.end(b);
      part(b, n, nullptr);
      break;
    case layout::inside_every:
    case layout::inside_square_root:
      if (where == layout::inside_square_root)
        tree.check({remat::square_root{}});
      else if (random.chance(50))
        tree.check({remat::every<2>{}});
      else
        tree.check({remat::every<3>{}});
      tree.add_each(0, a), limited(a, b), tree.add_each(b, n);
      break;
    case layout::after_another:
      part(0, a, &all), limited(a, b), part(b, n, nullptr);
      break;
    case layout::before_another:
      part(0, a, nullptr), limited(a, b), part(b, n, &all);
      break;
    case layout::between_two:
      part(0, a, &all), limited(a, b), part(b, n, &all);
      break;
    case layout::next_to_every: {
      const checkpoint_setting one{remat::every<1>{}}, two{remat::every<2>{}};
      const checkpoint_setting& some_of = random.chance(50) ? one : two;
      part(0, a, &some_of), limited(a, b), part(b, n, &some_of);
      break;
    }
    case layout::next_to_all_that:
      part(0, a, &all);
      tree.begin(a, true);
      tree.check(all);
      limited(a, b), part(b, n, nullptr);
      tree.end(n);
      break;
    default:
      limited(0, a);
      tree.begin(a, true);
      tree.check(all);
      limited(a, b), part(b, n, nullptr);
      tree.end(n);
  }
  tree.end(n);
  tree.begin(n, false);
  tree.end(n + 1);
  tree.write(made.p);
  return made;
}

/// What stays for the innermost segment around these operations that computes anything again: budgets inside of it do
/// not compute that again.
inline remat::core::list<int> staying_around(const program& p, const remat::plan& kept, int first, int last) {
  const remat::segment* innermost = nullptr;
  for (int k = 0; k < kept.segments.count(); ++k) {
    const remat::segment& each = kept.segments[k];
    const bool is_around = each.first <= first && last <= each.last && !each.has_budget;
    if (is_around && !kept.segment_plans[k].is_plain) innermost = &each;
  }
  return innermost == nullptr ? remat::core::list<int>() : random_chains::staying(p, innermost->first, innermost->last);
}

/// Every way to choose segments for all of the budgets; `kept` is the plan in which they keep everything.
inline std::vector<ranges> each_choice(const made_program& made, const remat::plan& kept) {
  std::vector<ranges> all{{}};
  for (const auto& [first, last] : made.budgets) {
    std::vector<ranges> trees, both;
    random_chains::each_tree(made.p, first, last, true, staying_around(made.p, kept, first, last), trees);
    for (const ranges& before : all)
      for (const ranges& tree : trees) {
        both.push_back(before);
        both.back().insert(both.back().end(), tree.begin(), tree.end());
      }
    all = std::move(both);
  }
  return all;
}

}  // namespace random_checkpoints
