// SPDX-License-Identifier: MIT
/// What no persistent schedule of a program with budgets can beat: the least that is computed again within some bytes.
///
/// It is the larger of two bounds:
///
/// | bound    | holds since                                                                                              |
/// |----------|----------------------------------------------------------------------------------------------------------|
/// | knapsack | what the backward pass reads and is not held when the forward pass ends is computed at least once more   |
/// | solver   | the solver of budgets is exact, and here it sees sizes rounded down, and tensors of long skips for free  |
///
/// The knapsack counts bytes as they are and may keep a fraction of an operation's tensors. The solver takes part up to
/// 200 operations, where nothing waits in another form (core/storage.hpp). Its quantum is chosen among the fractions of
/// the program's larger tensors, so that little is lost to rounding.
#pragma once

#include <remat/plan/budget_choices.hpp>
#include <remat/plan/stored_tensors.hpp>
#include <remat/plan/training_planner.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

namespace remat {

namespace detail {

/// The quantum of at most this many levels that loses least where sizes are rounded down.
inline memory_grid grid_for_bound(const program& p, const slice& covered, std::size_t batch,
                                  std::size_t save_all_bytes) {
  const int operations = covered.last - covered.first;
  memory_grid found{alignment, operations <= 64 ? 512 : operations <= 130 ? 384 : 256};
  const std::size_t smallest = std::max(alignment, save_all_bytes / static_cast<std::size_t>(found.levels) + 1);
  std::vector<std::size_t> sizes;
  for (int i = covered.first; i < covered.last; ++i)
    for (const auto* some : {&p.operations[i].outputs, &p.operations[i].saved})
      for (const int t : *some) sizes.push_back(aligned(p.tensors[t].bytes(batch)));
  std::vector<std::size_t> tried{smallest};
  std::vector<std::size_t> distinct = sizes;
  std::ranges::sort(distinct, std::greater());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  for (const std::size_t size : distinct)
    for (std::size_t parts = 1; parts <= size / smallest && tried.size() < 2'000; ++parts)
      if (size / parts < 4 * smallest) tried.push_back(size / parts);
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (const std::size_t quantum : tried) {
    std::size_t lost = quantum;  // of the limit
    for (const std::size_t size : sizes) lost += size % quantum;
    if (lost < least) least = lost, found.quantum = quantum;
  }
  found.levels = static_cast<int>(save_all_bytes / found.quantum) + 1;
  return found;
}

/// What is kept of a program's operations where the loss is reached: which of them costs most for its bytes.
class kept_knapsack {
 public:
  kept_knapsack(const program& p, const plan_request& request, const slice& covered,
                const core::list<stage_port>& ports, const core::list<backward_need>& needs) {
    std::vector<bool> is_free(p.tensors.size(), true), is_chosen(p.operations.size());
    for (int i = covered.first; i < covered.last; ++i)
      each_read(p.operations[i], needs[i], [&](int t) { is_free[static_cast<std::size_t>(t)] = false; });
    for (const stage_port& each : ports)
      if (!each.is_gradient) is_free[static_cast<std::size_t>(each.tensor)] = true;
    std::vector<const storage_form*> forms;
    const core::list<const storage_form*> of_nodes = forms_of_nodes(p);
    const core::list<int> has_choice = nodes_with_choice(p);
    for (int n = 0; n < of_nodes.count(); ++n)
      if (of_nodes[n] != nullptr && !has_choice[n] && std::ranges::find(forms, of_nodes[n]) == forms.end())
        forms.push_back(of_nodes[n]);
    const auto bytes = [&](int t) {
      std::size_t least = p.tensors[t].bytes(request.batch);
      for (const storage_form* form : forms)
        if (form->takes(p.tensors[t])) least = std::min(least, form->bytes(p.tensors[t], request.batch));
      return aligned(least);
    };
    segment_search search{p};
    search.run(covered.stage);
    for (const found_segment& each : search.found)
      if (each.policy->has_budget())
        for (int i = each.first; i < each.last; ++i) is_chosen[static_cast<std::size_t>(i)] = true;
    for (int i = covered.first; i < covered.last; ++i) {
      if (!is_chosen[static_cast<std::size_t>(i)]) continue;
      item here{0, request.costs != nullptr ? request.costs->operations[static_cast<std::size_t>(i)].forward
                                            : p.operations[i].flops * static_cast<double>(request.batch)};
      for (const auto* some : {&p.operations[i].outputs, &p.operations[i].saved})
        for (const int t : *some)
          if (!is_free[static_cast<std::size_t>(t)]) here.bytes += static_cast<double>(bytes(t));
      if (here.bytes > 0 && here.cost > 0) items_.push_back(here);
    }
    std::ranges::sort(items_, [](const item& a, const item& b) { return a.cost * b.bytes > b.cost * a.bytes; });
  }

  double least(double bytes) const {
    double sum = 0;
    for (const item& each : items_) {
      const double share = std::min(1.0, bytes / each.bytes);
      bytes -= share * each.bytes;
      sum += (1 - share) * each.cost;
    }
    return sum;
  }

 private:
  struct item {
    double bytes, cost;
  };
  std::vector<item> items_;  // the first are kept first
};

}  // namespace detail

/// Of a request of a fused program that has budgets, for any number of bytes.
class recomputation_bound {
 public:
  /// `save_all_bytes`: alive at once where everything is kept.
  recomputation_bound(const program& p, const plan_request& request, std::size_t save_all_bytes)
      : program_(p),
        request_(request),
        planner_(program_, request_),
        knapsack_(program_, request_, planner_.covered(), planner_.ports(), planner_.needs()) {
    const slice& covered = planner_.covered();
    if (covered.last - covered.first > 200 || detail::must_store(program_)) return;
    grid_ = detail::grid_for_bound(program_, covered, request.batch, save_all_bytes);
    problems_ = std::make_unique<detail::budget_problems>(program_, request_, covered, planner_.ports(),
                                                          planner_.needs(), grid_, detail::rounding::down);
  }
  recomputation_bound(const recomputation_bound&) = delete;
  recomputation_bound& operator=(const recomputation_bound&) = delete;

  /// In the unit of the request's costs, or in FLOPs; of schedules that take nothing to a disk of their own choice.
  double least_recomputed(std::size_t bytes) const {
    const slice& covered = planner_.covered();
    const double in_flight = covered.splits ? covered.in_flight : 1;
    const double kept = knapsack_.least(static_cast<double>(bytes) / in_flight);
    if (problems_ == nullptr) return kept;
    const std::size_t quanta = std::min(bytes / grid_.quantum, static_cast<std::size_t>(grid_.levels));
    return std::max(kept, problems_->again(static_cast<int>(quanta)));
  }

 private:
  const program& program_;
  plan_request request_;
  detail::training_planner planner_;
  detail::kept_knapsack knapsack_;
  detail::memory_grid grid_ = {};
  std::unique_ptr<detail::budget_problems> problems_;
};

}  // namespace remat
