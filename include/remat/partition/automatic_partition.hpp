// SPDX-License-Identifier: MIT
/// Automatic partitions. Each is the best of all ways to cut the program into consecutive stages. Of those that are
/// about as good (within 5 %), it is the one that ignores and splits the fewest checkpoints (best_cuts.hpp).
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
#include <remat/plan/predicted_cost.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>

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
  if (most + 1 < static_cast<std::size_t>(stages)) most = static_cast<std::size_t>(stages) - 1;
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

/// How often `balanced_memory` looks for other stages, where those that it chose take more than was estimated.
inline constexpr int most_tries = 20;

inline core::list<int> balance_memory(const program& p, const request& r, std::size_t most_cuts) {
  require_room(p, r);
  if (!r.bytes) throw error("balanced_memory needs the bytes of a stage; give the request its `bytes`");
  struct number {
    double bytes;
    bool is_estimated;
  };
  std::map<std::pair<std::pair<int, int>, int>, number> known;
  const auto bytes = [&](int first, int last, int stage) {
    const auto [at, is_new] = known.try_emplace({{first, last}, stage});
    if (is_new)
      at->second = r.estimated_bytes ? number{r.estimated_bytes(first, last, stage), true}
                                     : number{r.bytes(first, last, stage), false};
    return at->second.bytes;
  };
  const core::list<cut> cuts = considered_cuts(p, r.stages, most_cuts);
  core::list<int> firsts;
  // A stage that is chosen counts as it is. Where it was estimated too low, others may be better.
  bool is_final = false;
  for (int tries = 0; !is_final && tries < most_tries; ++tries) {
    firsts = best_cuts_on_ranks(cuts, p.operations.count(), r.stages, r.ranks == 0 ? r.stages : r.ranks, bytes);
    is_final = true;
    for (int s = 0; s < r.stages; ++s) {
      const int first = s == 0 ? 0 : firsts[s - 1], last = s + 1 == r.stages ? p.operations.count() : firsts[s];
      number& of_stage = known[{{first, last}, s}];
      if (!of_stage.is_estimated) continue;
      const double estimate = of_stage.bytes;
      of_stage = {r.bytes(first, last, s), false};
      is_final = is_final && of_stage.bytes <= estimate;
    }
  }
  return stages_from(p, firsts);
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
