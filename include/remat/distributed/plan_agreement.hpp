// SPDX-License-Identifier: MIT
/// The plan of a step or of a prediction, which all ranks make, or none: a budget that is too small on one of them, or
/// a batch that a kernel refuses, is refused on all.
#pragma once

#include <remat/core/error.hpp>
#include <remat/distributed/agreement.hpp>
#include <remat/distributed/collective_error.hpp>
#include <remat/distributed/session.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/budget_bytes.hpp>
#include <remat/plan/budget_limits.hpp>
#include <remat/run/batch_split.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <tuple>
#include <vector>

namespace remat {

/// A budget with which no step fits on some rank.
class collective_budget_error : public collective_error {
 public:
  collective_budget_error(const std::string& what, std::size_t smallest)
      : collective_error(what), smallest_(smallest) {}

  /// The fewest bytes with which one fits on the rank that needs most: enough for all, where all stages have one
  /// budget.
  std::size_t smallest() const { return smallest_; }

 private:
  std::size_t smallest_;
};

class plan_agreement {
 public:
  /// What is planned for a batch.
  enum class what : std::uint8_t { prediction, step, updating_step };

  /// `predictions_differ`: ranks may predict batches of different sizes in one call.
  plan_agreement(const program& p, bool predictions_differ)
      : predictions_differ_(predictions_differ), has_rank_budget_(remat::has_rank_budget(p)) {}

  bool has_rank_budget() const { return has_rank_budget_; }

  /// Runs `make`, which plans this for a batch. Collective: one round of messages the first time; each time for a step
  /// under a budget of the whole rank, since what else a rank holds may have changed, and for predictions of batches
  /// that may differ. Throws `collective_budget_error` or `collective_error` on all ranks where it throws an `error` on
  /// one.
  template <class Make>
  void require(const agreement& ranks, what is_planned, const batch_split& split, const Make& make) {
    const std::tuple key{is_planned, split.batch, split.parts};
    const bool may_change = is_planned == what::prediction ? predictions_differ_ : has_rank_budget_;
    if (!may_change && std::ranges::count(agreed_, key) > 0) return;
    std::string complaint;
    std::uint64_t weight = 0;  // none: no complaint
    try {
      make();
    } catch (const budget_error& e) {
      complaint = e.what();
      weight = 1 + static_cast<std::uint64_t>(e.smallest());
    } catch (const error& e) {
      complaint = e.what();
      weight = 1;
    } catch (const std::exception& e) {
      mpi::session::fail(e.what());  // no memory, for example: what the model has then is not known
    }
    const std::uint64_t most = ranks.largest(weight);
    if (most == 0) {
      if (!may_change) agreed_.push_back(key);
      return;
    }
    try {
      ranks.require_none(weight == most ? complaint : "");
    } catch (const collective_error& e) {
      if (most == 1) throw;
      throw collective_budget_error(e.what(), static_cast<std::size_t>(most - 1));
    }
  }

 private:
  bool predictions_differ_, has_rank_budget_;
  std::vector<std::tuple<what, std::size_t, std::size_t>> agreed_;
};

}  // namespace remat
