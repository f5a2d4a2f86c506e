// SPDX-License-Identifier: MIT
/// Persistent schedules of a uniform chain of any length, from a closed form instead of a solver's tables.
///
/// Every link takes the same time, its input has `state` units of memory, and what its backward pass reads of what it
/// makes has `tape` units. The least that is run again of `l` links in `m` units, in links, is
///
///     again(l, m) = 0                                                      where the tapes of all but the last fit
///                 = min { again(l - 1, m - tape)                           the first link's tape is kept
///                       , u - 1 + last + again(u, m) + again(l - u, m - state) }  the input is kept, and u links run again
///
/// where of the last link of what runs again a share `last` is. With one kind of unit this is the recurrence of
/// Griewank and Walther's revolve, with tapes of the size of states that of Maddison's mixed schedules (2024). Up to
/// `exact_links` links every u is tried; of longer chains those near the best one of a link less or a unit less, those
/// before a row of tapes, and some of all, which takes at most a thousandth more. From as many units on as let every
/// link run again once at most, the schedule follows without a table: segments that are as long as their tapes allow.
/// Of a chain that is so long that a table up to there would be too large, the units between have the schedule of the
/// table's last row.
#pragma once

#include <remat/core/list.hpp>
#include <remat/core/policy.hpp>

#include <cstddef>
#include <limits>

namespace remat::detail {

struct uniform_links {
  int count = 0;
  int state = 1, tape = 1;  ///< units of memory
  double last = 1;          ///< what of the last link of a segment runs again, from 0 to 1
};

class uniform_schedules {
 public:
  static constexpr int exact_links = 400, most_table_cells = 6'000'000;

  constexpr explicit uniform_schedules(const uniform_links& all) : all_(all) {
    rows_ = 0;
    while (rows_ < most_units() && fewest_segments(all_.count, rows_) == 0) ++rows_;
    const int affordable = most_table_cells / (all.count + 1);
    if (rows_ > affordable) rows_ = affordable;
    fill();
  }

  /// With these units nothing is run again.
  constexpr int most_units() const { return (all_.count - 1) * all_.tape; }
  /// How many links are run again within some units, or infinity. More units never make more.
  constexpr double again(int units) const {
    const int counted = counted_of(all_.count, units);
    if (counted < rows_) return table_.data()[cell(counted, all_.count)];
    return again_of(all_.count, units, best_segments(all_.count, units, fewest_segments(all_.count, units)));
  }
  /// The same of the first links of the chain, for each number of them.
  constexpr core::list<float> again_of_each(int units) const {
    core::list<float> made(static_cast<std::size_t>(all_.count) + 1);
    if (units < rows_) {
      for (int l = 0; l <= all_.count; ++l) made[l] = table_.data()[cell(units, l)];
      return made;
    }
    long held = kept_row(units);
    int segments = 1;
    for (int l = kept_row(units) + 1; l <= all_.count; ++l) {
      while (segments * all_.state <= units && held + kept_row(units - segments * all_.state) < l)
        held += kept_row(units - segments++ * all_.state);
      const bool is_possible = segments * all_.state <= units;
      const double none = rows_ > 0 ? table_.data()[cell(rows_ - 1, l)] : never;
      made[l] = static_cast<float>(is_possible ? again_of(l, units, best_segments(l, units, segments)) : none);
    }
    return made;
  }
  /// The segments of a schedule that does, in preorder.
  constexpr core::list<chain_segment> segments(int units) const {
    core::list<chain_segment> made;
    add_segments(0, all_.count, units, made);
    return made;
  }
  /// Those of one of `links` links from `first` on.
  constexpr void add_segments(int first, int links, int units, core::list<chain_segment>& made) const {
    units = counted_of(links, units);
    if (units >= rows_) return add_once(first, links, units, made);
    struct part {
      int first, links, units;
    };
    core::list<part> open;
    open.push_back({first, links, units});
    while (!open.empty()) {
      part here = open.back();
      open.pop_back();
      while (here.links > kept_row(here.units)) {
        while (here.units > 0 && table_[cell(here.units - 1, here.links)] <= table_[cell(here.units, here.links)])
          --here.units;  // the same in less
        const int before = choice_[cell(here.units, here.links)];
        if (before == 0) {  // the first link's tape is kept
          ++here.first;
          --here.links;
          here.units -= all_.tape;
          continue;
        }
        add(made, here.first, before);
        open.push_back({here.first + before, here.links - before, here.units - all_.state});
        here = {here.first, before, here.units};
      }
    }
  }

 private:
  static constexpr double never = std::numeric_limits<double>::infinity();

  constexpr std::size_t cell(int units, int links) const {
    return static_cast<std::size_t>(units) * (static_cast<std::size_t>(all_.count) + 1) +
           static_cast<std::size_t>(links);
  }
  static constexpr void add(core::list<chain_segment>& made, int first, int links) {
    made.push_back({static_cast<std::size_t>(first), static_cast<std::size_t>(first + links)});
  }
  /// As many links as are reversed without running one again.
  constexpr int kept_row(int units) const { return units / all_.tape + 1; }

  /// The units whose schedule is that of `units`: they themselves, or those of the last row.
  constexpr int counted_of(int links, int units) const {
    const bool has_own = units < rows_ || kept_row(units) >= links || fewest_segments(links, units) > 0;
    return has_own || rows_ == 0 ? units : rows_ - 1;
  }

  /// The fewest segments, each of which is run again once, with which some links are reversed; 0 where none is needed,
  /// or as many as there are do not suffice.
  constexpr int fewest_segments(int links, int units) const {
    if (kept_row(units) >= links) return 0;
    long held = 0;
    for (int segments = 1; segments * all_.state <= units; ++segments) {
      held += kept_row(units - (segments - 1) * all_.state);
      if (held + kept_row(units - segments * all_.state) >= links) return segments;
    }
    return 0;
  }
  constexpr double again_of(int links, int units, int segments) const {
    if (segments == 0) return kept_row(units) >= links ? 0 : never;
    return links - kept_row(units - segments * all_.state) - segments * (1 - all_.last);
  }
  /// More segments have more last links, of which a share alone runs again. For `tape` more of them, `state` fewer
  /// links are kept in the end: so the best are among the fewest, or among the most.
  constexpr int best_segments(int links, int units, int fewest) const {
    if (fewest == 0) return 0;
    int from = fewest;
    if (all_.state < (1 - all_.last) * all_.tape) {
      const int most = most_segments(links, units) - all_.tape;
      from = most > fewest ? most : fewest;
    }
    int best = fewest;
    for (int more = from; more <= from + all_.tape && can_have(links, units, more); ++more)
      if (again_of(links, units, more) < again_of(links, units, best)) best = more;
    return best;
  }
  /// Each with a link at least.
  constexpr bool can_have(int links, int units, int segments) const {
    return segments * all_.state <= units && segments + kept_row(units - segments * all_.state) <= links;
  }
  /// Where states are smaller than tapes: one more has one link at least, and its state takes less than a link's tape.
  constexpr int most_segments(int links, int units) const {
    int can = 0;
    for (int cannot = units / all_.state + 1; cannot - can > 1;) {
      const int middle = can + (cannot - can) / 2;
      (can_have(links, units, middle) ? can : cannot) = middle;
    }
    return can;
  }
  constexpr void add_once(int first, int links, int units, core::list<chain_segment>& made) const {
    int left = links;
    const int segments = best_segments(links, units, fewest_segments(links, units));
    if (segments > 0) left -= kept_row(units - segments * all_.state);
    for (int k = 0; k < segments; ++k) {
      const int most = kept_row(units - k * all_.state);
      const int here = most < left - (segments - 1 - k) ? most : left - (segments - 1 - k);
      add(made, first, here);
      first += here;
      left -= here;
    }
  }

  constexpr void fill() {
    const int links = all_.count;
    table_ = core::list<float>(static_cast<std::size_t>(rows_) * (static_cast<std::size_t>(links) + 1));
    choice_ = core::list<int>(table_.size());
    for (int m = 0; m < rows_; ++m) {
      float* const row = table_.data() + cell(m, 0);
      int* const choice = choice_.data() + cell(m, 0);
      int near = 1;
      for (int l = kept_row(m) + 1; l <= links; ++l) {
        float best = std::numeric_limits<float>::infinity();
        int found = 0;
        if (m >= all_.tape) best = table_.data()[cell(m - all_.tape, l - 1)];
        if (m >= all_.state) {
          const float* const rest = table_.data() + cell(m - all_.state, 0);
          const auto look = [&](int u) {
            const float sum = static_cast<float>(u - 1 + all_.last) + row[u] + rest[l - u];
            if (sum < best) best = sum, found = u;
          };
          if (l <= exact_links) {
            for (int u = 1; u < l; ++u) look(u);
          } else {
            const int row_of_tapes = l - kept_row(m - all_.state);
            const int below = m > 0 ? choice[l - links - 1] : 0;
            for (const int middle : {near, below, row_of_tapes})
              for (int u = middle > 8 ? middle - 8 : 1; u < l && u <= middle + 16; ++u) look(u);
            const int step = l / 48;
            for (int u = step; u < l; u += step) look(u);
          }
        }
        if (m > 0 && row[l - links - 1] < best) best = row[l - links - 1];
        if (found > 0) near = found;
        row[l] = best;
        choice[l] = found;
      }
    }
  }

  uniform_links all_;
  int rows_ = 0;
  core::list<float> table_ = {};  // of each number of units, and of links
  core::list<int> choice_ = {};   // the links that run again; 0: a tape is kept
};

}  // namespace remat::detail
