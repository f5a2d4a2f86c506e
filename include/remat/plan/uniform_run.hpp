// SPDX-License-Identifier: MIT
/// Uniform runs: consecutive children of a sequential in which the same operations run, link after link, such as those
/// of a `repeat`. Budgets take their schedules from a closed form (uniform_schedule.hpp).
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/model/uniform_chain.hpp>
#include <remat/plan/backward_needs.hpp>
#include <remat/plan/checkpoint_search.hpp>
#include <remat/plan/plan_request.hpp>
#include <remat/plan/uniform_schedule.hpp>

#include <cstddef>
#include <utility>

namespace remat::detail {

/// The operations [first, first + links * operations) of a program.
struct uniform_run {
  int first = 0, links = 0, operations = 0;

  /// In operations; one link is none.
  constexpr int size() const { return links > 1 ? links * operations : 0; }
  constexpr bool is_longer_than(const uniform_run& other) const {
    return size() > other.size() || (size() == other.size() && links > other.links);
  }
  constexpr int begin_of(int link) const { return first + link * operations; }
  constexpr int end() const { return begin_of(links); }
};

/// Whether what these operations compute is the same, apart from parameters.
constexpr bool run_alike(const program& p, int a, int b) {
  const operation &one = p.operations[a], &other = p.operations[b];
  if (one.kernels != other.kernels || one.attributes != other.attributes || one.frozen != other.frozen ||
      one.activation_after != other.activation_after || one.gradient_through != other.gradient_through)
    return false;
  return have_same_tensors(p, one, other);
}

/// Calls f for each run among the children of node n whose operations are among [begin, end).
template <class F>
constexpr void each_run_of_children(const program& p, int n, int begin, int end, const F& f) {
  uniform_run here;
  for (int c = n + 1; c < p.nodes[n].end; c = p.nodes[c].end) {
    const int first = p.nodes[c].first, operations = p.nodes[c].last - first;
    if (operations == 0 || first < begin || p.nodes[c].last > end) continue;
    bool continues = here.links > 0 && here.operations == operations && here.begin_of(here.links) == first;
    for (int i = 0; continues && i < operations; ++i) continues = run_alike(p, first - operations + i, first + i);
    if (!continues) {
      f(here);
      here = {first, 0, operations};
    }
    ++here.links;
  }
  f(here);
}

/// The runs of this many links and more within the budgets of a slice that are in no other checkpoint, the longest
/// first. No two have an operation in common. Of modules that a cut of a pipeline goes through, those in the slice
/// count.
constexpr core::list<uniform_run> find_uniform_runs(const program& p, const slice& covered, int fewest_links) {
  segment_search search{p};
  search.run(covered.stage);
  core::list<uniform_run> found;
  for (const found_segment& each : search.found) {
    if (!each.policy->has_budget() || each.parent != core::none) continue;
    for (int n = 0; n < p.nodes.count(); ++n) {
      const module_node& here = p.nodes[n];
      const int begin = here.first > each.first ? here.first : each.first,
                end = here.last < each.last ? here.last : each.last;
      if (!here.is_sequential || end - begin < fewest_links) continue;
      bool is_inside = false;  // of a run around it, which is no shorter
      for (const uniform_run& around : found) is_inside = is_inside || (begin >= around.first && end <= around.end());
      if (is_inside) continue;
      each_run_of_children(p, n, begin, end, [&](const uniform_run& run) {
        if (run.links < fewest_links) return;
        found.push_back(run);
        for (int at = found.count() - 1; at > 0 && found[at].is_longer_than(found[at - 1]); --at)
          std::swap(found[at], found[at - 1]);
      });
    }
  }
  return found;
}

/// What a schedule needs to know of a run's links, and the bytes of a unit of memory.
struct measured_run {
  uniform_links links = {};
  std::size_t quantum = alignment;
  double cost = 0;  ///< of a link's forward pass
};

class run_measure {
 public:
  constexpr run_measure(const program& p, const uniform_run& run, const core::list<backward_need>& needs,
                        const plan_request& request)
      : p_(p), run_(run), needs_(needs), request_(request) {}

  /// Of the middle of the run; no links where backward reads nothing that they make.
  constexpr measured_run measure() const {
    const int begin = run_.begin_of(run_.links / 2), end = begin + run_.operations, after = end + run_.operations;
    core::list<int> states, tapes;
    for (int i = begin; i < end; ++i)
      for (const int t : p_.operations[i].inputs)
        if (p_.producers[t] >= begin - run_.operations && p_.producers[t] < begin) add(states, t);
    for (int i = begin; i < after && i < p_.operations.count(); ++i)
      each_read(p_.operations[i], needs_[i], [&](int t) {
        if (p_.producers[t] >= begin && p_.producers[t] < end) add(tapes, t);
      });
    measured_run made;
    if (tapes.empty()) return made;
    const std::size_t state = bytes_of(states), tape = bytes_of(tapes);
    made.quantum = quantum_for(state, tape);
    for (int i = begin; i < end; ++i) made.cost += cost_of(i);
    made.links = {run_.links, units(state, made.quantum), units(tape, made.quantum), last_share(begin, end)};
    return made;
  }

 private:
  static constexpr void add(core::list<int>& some, int t) {
    for (const int each : some)
      if (each == t) return;
    some.push_back(t);
  }
  constexpr std::size_t bytes_of(const core::list<int>& some) const {
    std::size_t sum = 0;
    for (const int t : some) sum += aligned(p_.tensors[t].bytes(request_.batch));
    return sum;
  }
  static constexpr int units(std::size_t bytes, std::size_t quantum) {
    const std::size_t whole = (bytes + quantum - 1) / quantum;
    return whole == 0 ? 1 : static_cast<int>(whole);
  }
  /// An eighth of the larger one at least, of which both are multiples, or nearly.
  static constexpr std::size_t quantum_for(std::size_t state, std::size_t tape) {
    const std::size_t larger = state > tape ? state : tape, smaller = state > tape ? tape : state;
    std::size_t best = larger, least = larger;
    for (std::size_t parts = 1; parts <= 8; ++parts) {
      const std::size_t quantum = aligned((larger + parts - 1) / parts);
      const std::size_t lost = (parts * quantum - larger) + ((smaller + quantum - 1) / quantum * quantum - smaller);
      if (lost + larger / 100 < least) best = quantum, least = lost;
    }
    return best;
  }

  constexpr double cost_of(int i) const {
    return request_.costs != nullptr ? request_.costs->operations[static_cast<std::size_t>(i)].forward
                                     : p_.operations[i].flops;
  }
  /// Of the last link of a segment, the share that its own backward pass needs again.
  constexpr double last_share(int begin, int end) const {
    core::list<int> wanted;
    for (int i = begin; i < end; ++i)
      each_read(p_.operations[i], needs_[i], [&](int t) {
        if (p_.producers[t] >= begin) add(wanted, t);
      });
    double again = 0, all = 0;
    for (int i = end; i-- > begin;) {
      all += cost_of(i);
      bool runs = false;
      for (const int t : wanted) runs = runs || p_.producers[t] == i;
      if (!runs) continue;
      again += cost_of(i);
      for (const int t : p_.operations[i].inputs)
        if (p_.producers[t] >= begin) add(wanted, t);
    }
    return all > 0 ? again / all : wanted.empty() ? 0 : 1;
  }

  const program& p_;
  const uniform_run& run_;
  const core::list<backward_need>& needs_;
  const plan_request& request_;
};

}  // namespace remat::detail
