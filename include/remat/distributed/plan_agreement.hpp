// SPDX-License-Identifier: MIT
/// A step's plan, which all ranks make, or none: a budget that is too small on one of them is refused on all.
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
#include <utility>
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
  explicit plan_agreement(const program& p)
      : has_budget_(remat::has_budget(p)), has_rank_budget_(remat::has_rank_budget(p)) {}

  bool has_rank_budget() const { return has_rank_budget_; }

  /// Runs `make`, which plans this step, where a budget may be too small for it. Collective: one round of messages the
  /// first time that a batch is split so, and for a budget of the whole rank each time, since what else a rank holds
  /// may have changed. Throws `collective_budget_error` or `collective_error` on all ranks where it throws an `error`
  /// on one.
  template <class Make>
  void require(const agreement& ranks, const batch_split& split, bool updates, const Make& make) {
    const std::pair key{std::pair{split.batch, split.parts}, updates};
    if (!has_budget_ || (!has_rank_budget_ && std::ranges::count(agreed_, key) > 0)) return;
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
      if (!has_rank_budget_) agreed_.push_back(key);
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
  bool has_budget_, has_rank_budget_;
  std::vector<std::pair<std::pair<std::size_t, std::size_t>, bool>> agreed_;
};

}  // namespace remat
