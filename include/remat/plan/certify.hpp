// SPDX-License-Identifier: MIT
/// Certificates of plans with budgets (certificate.hpp): how much faster a persistent schedule within the bytes could
/// be.
///
///     remat::plan_report planned = model.plan(64);   // with a budget
///     planned.certificate->gap();                    // 0.01: at most 1 % of a step
///
/// A certificate is made for who asks, as planning does not need it. A `certifier` makes those of many plans of one
/// request, under any limits.
#pragma once

#include <remat/plan/budget_bytes.hpp>
#include <remat/plan/budget_limits.hpp>
#include <remat/plan/budget_search.hpp>
#include <remat/plan/certificate_parts.hpp>
#include <remat/plan/counted_costs.hpp>
#include <remat/plan/disk_bound.hpp>
#include <remat/plan/recomputation_bound.hpp>
#include <remat/plan/transfer_times.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

namespace remat {

class certifier {
 public:
  /// Of a fused program that has budgets; `p` and the request's costs must stay.
  certifier(const program& p, const plan_request& request)
      : program_(p),
        request_(request),
        planner_(program_, request_),
        save_all_(planner_.make()),
        costs_(request.costs != nullptr ? *request.costs : counted_costs(p, request.batch)),
        bound_(program_, request_, save_all_.live_bytes) {}
  certifier(const certifier&) = delete;
  certifier& operator=(const certifier&) = delete;

  /// The plan where budgets keep everything.
  const plan& save_all() const { return save_all_; }

  /// Of a plan of the request, within this number of bytes.
  certificate certify(const plan& made, std::size_t limit) {
    certificate c{.limit = limit,
                  .plan_bytes = bytes_in_flight(made),
                  .is_measured = request_.costs != nullptr,
                  .time = time_of(made, costs_),
                  .memory = fragmentation_of(program_, made)};
    const double share = static_cast<double>(made.batch) / static_cast<double>(costs_.batch);
    c.least_recomputed = share * bound_.least_recomputed(limit);
    c.lost_to_placement = c.time.recomputed - share * fastest_without_gaps(limit);
    if (c.lost_to_placement < 1e-9 * c.time.sum() || made.steps.has_transfers)
      c.lost_to_placement = 0;  // less is of sums in another order
    add_disk(c, made, share);
    return c;
  }

 private:
  void add_disk(certificate& c, const plan& made, double share) const {
    c.may_use_disk = detail::may_leave_arena(program_);
    if (!c.may_use_disk) return;
    c.rate = request_.rate;
    const double second = second_in_costs(costs_, made.batch, c.is_measured);
    const transfer_times transfers = times_of_transfers(made, costs_, second, c.rate);
    c.time.waiting = share * transfers.waiting;
    c.transferring = share * (transfers.writing + transfers.reading);
    c.least_on_disk = made.covered.splits
                          ? c.time.forward + c.time.backward  // transfers go on next to other tasks, too
                          : detail::least_on_disk(bound_, c.limit, save_all_.live_bytes, c.time, share, share * second,
                                                  detail::fastest_rate(program_, c.rate));
  }

  /// What the fastest choice computes again whose bytes alive at once are within the limit.
  double fastest_without_gaps(std::size_t limit) {
    if (!is_searched_) {
      detail::budget_search search(planner_, program_, request_);
      add(planner_.make());
      for (const auto& each : search.find_candidates(save_all_.live_bytes)) add(planner_.make(each.ranges));
      is_searched_ = true;
    }
    double least = std::numeric_limits<double>::infinity();
    for (const choice& each : choices_)
      if (each.live_bytes <= limit && each.again < least) least = each.again;
    return least;
  }
  void add(const plan& made) {
    const std::size_t in_flight = static_cast<std::size_t>(made.covered.splits ? made.covered.in_flight : 1);
    choices_.push_back(
        {made.live_bytes * in_flight + made.passing_bytes, detail::recomputation_cost(program_, made, request_.costs)});
  }

  struct choice {
    std::size_t live_bytes;
    double again;
  };
  const program& program_;
  plan_request request_;
  detail::training_planner planner_;
  plan save_all_;
  operation_costs costs_;
  recomputation_bound bound_;
  bool is_searched_ = false;
  std::vector<choice> choices_;
};

namespace detail {

/// The most activations with which what the rank holds may be within a limit.
inline std::size_t activations_within(const rank_memory& rank, std::size_t limit) {
  std::size_t fits = 0;
  limit = std::min(limit, most_bytes);
  for (std::size_t too_many = limit + 1; too_many - fits > 1;) {
    const std::size_t middle = fits + (too_many - fits) / 2;
    (rank.least_with(middle) <= limit ? fits : too_many) = middle;
  }
  return fits;
}

/// What the activations of a plan's micro-batches in flight may take at most, next to what else its rank holds.
inline std::size_t activation_limit(const program& p, const plan_request& request, const plan& save_all,
                                    const plan& made) {
  const program_memory of_program(p, made.covered, request.updates);
  const rank_memory& rank = request.rank != nullptr ? *request.rank : of_program;
  const budget_limits limits = limits_of(p, request, rank.activations(save_all));
  std::size_t limit = limits.activations.value_or(std::numeric_limits<std::size_t>::max());
  if (limits.rank) limit = std::min(limit, activations_within(rank, *limits.rank));
  return limit - (rank.activations(made) - bytes_in_flight(made));  // slots of messages
}

}  // namespace detail

/// Of one plan; none where its request has no budget.
inline std::optional<certificate> certify(const program& p, const plan_request& request, const plan& made) {
  if (!made.is_training || !has_budget(p, request)) return std::nullopt;
  certifier all(p, request);
  return all.certify(made, detail::activation_limit(p, request, all.save_all(), made));
}

}  // namespace remat
