// SPDX-License-Identifier: MIT
/// The budget of a rank that several stages share: of what each of them may choose (plan/budget_grid.hpp), in every
/// combination, the one is taken that computes least again of those whose memory, as the rank lays it out, is within
/// the bytes.
///
/// The combinations do not depend on the bytes, so that more of them never take more time. What is alive on a rank at
/// each position of its row is a sum over its stages: most combinations are seen to be too large without being laid
/// out. Where there are too many, the choices are thinned out evenly; of more than two stages, combinations of the
/// first ones are, too.
#pragma once

#include <remat/partition/rank_layout.hpp>
#include <remat/partition/stage_ways.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace remat::detail {

class shared_budget {
 public:
  /// Choices of a stage; of as many combinations of others a second one makes its own.
  static constexpr std::size_t most_of_a_stage = 128;

  /// Of the rank's stages, in order. `layout_of(stage, way)` lays the rank out with that stage alone.
  template <class LayoutOf>
  shared_budget(std::span<const std::unique_ptr<stage_ways>> stages, const LayoutOf& layout_of) {
    std::vector<part> front(1);
    for (std::size_t s = 0; s < stages.size(); ++s) {
      std::vector<part> mine = parts_of(*stages[s], [&](int way) { return layout_of(s, way); });
      all_ = combinations(front, mine);
      firsts_ = std::move(front);
      lasts_ = std::move(mine);
      if (s + 1 == stages.size()) break;
      thin_out(all_);
      front.clear();
      for (const combination& each : all_) front.push_back(joined(each));
    }
    std::ranges::sort(all_, {}, [](const combination& c) { return std::pair(c.again, c.live); });
  }

  /// The ways of the stages that compute least again of those that fit; empty where none does. `may_fit` is asked about
  /// the bytes alive at once, `fits` about ways.
  template <class MayFit, class Fits>
  std::vector<int> fastest(const MayFit& may_fit, const Fits& fits) const {
    for (const combination& each : all_) {
      if (!may_fit(each.live)) continue;
      std::vector<int> ways = joined(each).ways;
      if (fits(ways)) return ways;
    }
    return {};
  }
  /// The fewest bytes that any takes, as `bytes_of` says of ways; `least_of` says what those take at least that have as
  /// many alive at once.
  template <class LeastOf, class BytesOf>
  std::size_t smallest(const LeastOf& least_of, const BytesOf& bytes_of) const {
    std::vector<const combination*> order;
    for (const combination& each : all_) order.push_back(&each);
    std::ranges::sort(order, {}, [](const combination* c) { return c->live; });
    std::size_t least = std::numeric_limits<std::size_t>::max();
    for (const combination* each : order)
      if (least_of(each->live) < least) least = std::min(least, bytes_of(joined(*each).ways));
    return least;
  }

 private:
  /// What some of the stages do: what they compute again in a micro-batch, and what is alive of them.
  struct part {
    double again = 0;
    core::list<std::size_t> live = {};
    std::size_t passing = 0;
    std::vector<int> ways = {};
  };
  struct combination {
    double again = 0;
    std::size_t live = 0;
    int first = 0, last = 0;
  };

  template <class LayoutOf>
  static std::vector<part> parts_of(stage_ways& stage, const LayoutOf& layout_of) {
    std::vector<part> found;
    const auto add = [&](int way, double again) {
      const rank_layout alone = layout_of(way);
      found.push_back({again, alone.live_over_time(), alone.passing_bytes(), {way}});
    };
    if (!stage.has_budget()) {
      add(stage_ways::keeps_all(), 0);
      return found;
    }
    for (const budget_choice& each : stage.grid()) add(stage.add(each), each.again);
    std::vector<combination> order;
    for (std::size_t k = 0; k < found.size(); ++k)
      order.push_back({found[k].again, most_of(found[k].live) + found[k].passing, 0, static_cast<int>(k)});
    thin_out(order);
    std::vector<part> kept;
    for (const combination& each : order) kept.push_back(std::move(found[static_cast<std::size_t>(each.last)]));
    return kept;
  }
  static std::size_t most_of(const core::list<std::size_t>& live) {
    std::size_t most = 0;
    for (const std::size_t each : live) most = std::max(most, each);
    return most;
  }
  /// Where there are more than a stage may have, leaves those of which no other has less alive and computes no more,
  /// and of these as many, evenly.
  static void thin_out(std::vector<combination>& all) {
    if (all.size() <= most_of_a_stage) return;
    std::ranges::sort(all, {}, [](const combination& c) { return std::pair(c.again, c.live); });
    std::vector<combination> best;
    for (const combination& each : all)
      if (best.empty() || each.live < best.back().live) best.push_back(each);
    all.clear();
    const std::size_t kept = std::min(best.size(), most_of_a_stage);
    for (std::size_t k = 0; k < kept; ++k) all.push_back(best[kept == 1 ? 0 : k * (best.size() - 1) / (kept - 1)]);
  }
  static std::vector<combination> combinations(const std::vector<part>& first, const std::vector<part>& last) {
    std::vector<combination> all;
    for (std::size_t a = 0; a < first.size(); ++a)
      for (std::size_t b = 0; b < last.size(); ++b) {
        std::size_t live = most_of(last[b].live);
        if (!first[a].live.empty()) {
          live = 0;
          for (int now = 0; now < first[a].live.count(); ++now)
            live = std::max(live, first[a].live[now] + last[b].live[now]);
        }
        all.push_back({first[a].again + last[b].again, live + std::max(first[a].passing, last[b].passing),
                       static_cast<int>(a), static_cast<int>(b)});
      }
    return all;
  }
  part joined(const combination& c) const {
    const part &first = firsts_[static_cast<std::size_t>(c.first)], &last = lasts_[static_cast<std::size_t>(c.last)];
    part made = last;
    made.again = c.again;
    made.passing = std::max(first.passing, last.passing);
    for (int now = 0; now < first.live.count(); ++now) made.live[now] += first.live[now];
    made.ways = first.ways;
    made.ways.insert(made.ways.end(), last.ways.begin(), last.ways.end());
    return made;
  }

  std::vector<part> firsts_ = {}, lasts_ = {};  // what combinations are made of: all stages but the last, and that one
  std::vector<combination> all_ = {};           // those that compute less again first
};

}  // namespace remat::detail
