// SPDX-License-Identifier: MIT
/// Automatic partitions. Each is the best of all ways to cut the program into consecutive stages, `balanced_memory` of a
/// model with budgets by estimates of the stages that it does not choose. Of those that are about as good (within 5 %),
/// it is the one that ignores and splits the fewest checkpoints (best_cuts.hpp).
///
/// | setting                   | makes as small as possible                                                          |
/// |---------------------------|-------------------------------------------------------------------------------------|
/// | `balanced`                | the largest cost of a stage: counted FLOPs of forward, backward and recomputation   |
/// | `balanced(costs)`         | the same, of a measured profile (profile_on_ranks.hpp: alike on all ranks)          |
/// | `balanced_memory`         | the largest bytes of a rank, which the request's `bytes` gives for each stage       |
/// | `uniform`                 | the largest number of operations of a stage                                         |
///
/// Recomputation is counted as of the program in one stage, since the cuts are not known before: near a cut that ends
/// a group it may be less. `balanced_memory` asks for the bytes of up to stages x cuts^2 / 2 ranges, or for estimates of
/// them, where there are any, and then for the bytes of the stages that it would choose. Where a program has more than
/// `most_cuts` cuts, that many of them, evenly spread, are considered: `balanced_memory(200)` takes another number.
/// Where several stages are on one rank, see best_cuts_on_ranks.hpp.
#pragma once

#include <remat/partition/best_cuts.hpp>
#include <remat/partition/best_cuts_on_ranks.hpp>
#include <remat/partition/manual_partition.hpp>
#include <remat/partition/partition_setting.hpp>
#include <remat/plan/counted_costs.hpp>
#include <remat/plan/predicted_cost.hpp>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace remat::partition {
namespace detail {

inline void require_room(const program& p, const request& r) {
  if (r.stages < 1) throw error("an automatic partition needs the number of its stages; ask for 1 or more");
  if (r.stages > p.operations.count())
    throw error("the model has " + std::to_string(p.operations.count()) + " operations, and " +
                std::to_string(r.stages) + " stages are asked for; ask for 1 to " +
                std::to_string(p.operations.count()));
  if (r.ranks < 0 || r.ranks > r.stages)
    throw error(std::to_string(r.stages) + " stages do not fit on " + std::to_string(r.ranks) + " ranks; take 1 to " +
                std::to_string(r.stages) + " ranks, or 0 for as many as stages");
}

/// The best cuts for a cost that is a sum over operations.
inline core::list<int> balance(const program& p, const request& r, const core::list<double>& costs) {
  return stages_from(p, best_cuts(cuts_of(p), p.operations.count(), r.stages, cost_sum(costs)));
}

inline core::list<int> balance_by_costs(const program& p, const request& r, const operation_costs& costs) {
  require_room(p, r);
  // Whatever the type says of stages, the costs are those of the program as one.
  program whole = p;
  for (operation& o : whole.operations) o.stage = 0;
  return balance(p, r, step_costs(whole, costs, r.terms));
}

/// The cuts, at most `most` of them and evenly spread: of the neighbours among which one is chosen, that which crosses
/// the fewest checkpoints, and of several such the middle one.
inline core::list<cut> considered_cuts(const program& p, int stages, std::size_t most) {
  const core::list<cut> all = cuts_of(p);
  most = std::max(most, static_cast<std::size_t>(stages) - 1);
  if (all.size() <= most) return all;
  core::list<cut> some;
  for (std::size_t k = 0; k < most; ++k) {
    const std::size_t begin = k * all.size() / most, end = (k + 1) * all.size() / most;
    crossed_checkpoints fewest = all[begin].crossed;
    for (std::size_t c = begin; c < end; ++c) fewest = std::min(fewest, all[c].crossed);
    core::list<cut> best;
    for (std::size_t c = begin; c < end; ++c)
      if (all[c].crossed == fewest) best.push_back(all[c]);
    some.push_back(best[best.size() / 2]);
  }
  return some;
}

/// The bytes of stages, as a request gives or estimates them.
class stage_bytes {
 public:
  explicit stage_bytes(const request& r) : request_(r) {}

  /// Found; or estimated, and then at least what was found of a part of it that was estimated too low.
  double expected(int first, int last, int stage) {
    if (!request_.estimated_bytes) return found(first, last, stage);
    if (const auto at = found_.find({first, last, stage}); at != found_.end()) return at->second;
    const auto [at, is_new] = estimated_.try_emplace({first, last, stage});
    if (is_new) at->second = request_.estimated_bytes(first, last, stage);
    double bytes = at->second;
    for (const auto& [part, least] : too_low_)
      if (part.stage == stage && part.first >= first && part.last <= last) bytes = std::max(bytes, least);
    return bytes;
  }
  double found(int first, int last, int stage) {
    const auto [at, is_new] = found_.try_emplace({first, last, stage});
    if (!is_new) return at->second;
    at->second = request_.bytes(first, last, stage);
    const auto estimate = estimated_.find({first, last, stage});
    if (estimate != estimated_.end() && at->second > estimate->second) too_low_.push_back({at->first, at->second});
    return at->second;
  }

 private:
  struct range {
    int first, last, stage;

    auto operator<=>(const range&) const = default;
  };

  const request& request_;
  std::map<range, double> found_, estimated_;
  std::vector<std::pair<range, double>> too_low_;
};

/// How often `balanced_memory` looks for other stages, where those that it chose take more than was estimated.
inline constexpr int most_tries = 50;

inline core::list<int> balance_memory(const program& p, const request& r, std::size_t most_cuts) {
  require_room(p, r);
  if (!r.bytes) throw error("balanced_memory needs the bytes of a stage; give the request its `bytes`");
  stage_bytes bytes(r);
  const core::list<cut> cuts = considered_cuts(p, r.stages, most_cuts);
  const int ranks = r.ranks == 0 ? r.stages : r.ranks;
  core::list<int> best;
  double least = std::numeric_limits<double>::infinity();
  for (int tries = 0; tries < most_tries; ++tries) {
    const core::list<int> firsts =
        best_cuts_on_ranks(cuts, p.operations.count(), r.stages, ranks,
                           [&](int first, int last, int stage) { return bytes.expected(first, last, stage); });
    // A stage that is chosen counts as it is. Where it was estimated too low, others may be better.
    bool is_final = true;
    std::vector<double> sums(static_cast<std::size_t>(ranks));
    for (int s = 0; s < r.stages; ++s) {
      const int first = s == 0 ? 0 : firsts[s - 1], last = s + 1 == r.stages ? p.operations.count() : firsts[s];
      const double expected = bytes.expected(first, last, s), found = bytes.found(first, last, s);
      is_final = is_final && found <= expected;
      sums[static_cast<std::size_t>(s % ranks)] += found;
    }
    const double largest = *std::ranges::max_element(sums);
    if (is_final || best.empty() || largest < least) best = firsts, least = largest;
    if (is_final) break;
  }
  return stages_from(p, best);
}

}  // namespace detail

struct balanced_constant : constant {
  /// By measured costs of the same program.
  setting operator()(operation_costs costs) const {
    return {name, is_automatic,
            [costs](const program& p, const request& r) {
              require_costs_of(p, costs);
              return detail::balance_by_costs(p, r, costs);
            },
            std::move(costs)};
  }
};

/// How many cuts `balanced_memory` considers.
inline constexpr std::size_t most_cuts = 100;

struct balanced_memory_constant : constant {
  setting operator()(std::size_t cuts) const {
    return {name,
            is_automatic,
            [cuts](const program& p, const request& r) { return detail::balance_memory(p, r, cuts); },
            {}};
  }
};

inline constexpr balanced_constant balanced{{"balanced", true, [](const program& p, const request& r) {
                                               return detail::balance_by_costs(
                                                   p, r, r.terms.costs ? *r.terms.costs : counted_costs(p, r.batch));
                                             }}};

inline constexpr balanced_memory_constant balanced_memory{
    {"balanced_memory", true,
     [](const program& p, const request& r) { return detail::balance_memory(p, r, most_cuts); }}};

inline constexpr constant uniform{"uniform", true, [](const program& p, const request& r) {
                                    detail::require_room(p, r);
                                    return detail::balance(p, r, core::list<double>(p.operations.size(), 1.0));
                                  }};

}  // namespace remat::partition
