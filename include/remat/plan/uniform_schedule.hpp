// SPDX-License-Identifier: MIT
/// Persistent schedules of a uniform chain of any length, from a closed form instead of a solver's tables.
///
/// Every link takes the same time, its input has `state` units of memory, and what its backward pass reads of what it makes
/// has `tape` units. The least that is run again of `l` links in `m` units, in links, is
///
///     again(l, m) = 0                                                      where the tapes of all but the last fit
///                 = min { again(l - 1, m - tape)                           the first link's tape is kept
///                       , u - 1 + last + again(u, m) + again(l - u, m - state) }  the input is kept, and u links run again
///
/// where of the last link of what runs again a share `last` is. With one kind of unit this is the recurrence of Griewank and
/// Walther's revolve, with tapes of the size of states that of Maddison's mixed schedules (2024). Up to `exact_links` links
/// every u is tried; of longer chains those near the best one of a link less or a unit less, those before a row of tapes, and
/// some of all, which takes at most a thousandth more. From as many
/// units on as let every link run again once at most, the schedule follows without a table: segments that are as long as their
/// tapes allow. A chain of more than `most_links` is one of links in groups.
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
    while (rows_ < most_units() && fewest_segments(rows_) == 0) ++rows_;
    const int affordable = most_table_cells / (all.count + 1);
    if (rows_ > affordable) rows_ = affordable;
    fill();
  }

  /// With these units nothing is run again.
  constexpr int most_units() const { return (all_.count - 1) * all_.tape; }
  /// How many links are run again within some units, or infinity. More units never make more.
  constexpr double again(int units) const {
    if (units < rows_) return table_.data()[cell(units, all_.count)];
    return again_of(units, best_segments(units));
  }
  /// The segments of a schedule that does, in preorder.
  constexpr core::list<chain_segment> segments(int units) const {
    core::list<chain_segment> made;
    if (units >= rows_) {
      add_once(units, made);
      return made;
    }
    struct part {
      int first, links, units;
    };
    core::list<part> open;
    open.push_back({0, all_.count, units});
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
    return made;
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

  /// The fewest segments, each of which is run again once, with which all links are reversed; 0 where none is needed, or as
  /// many as there are do not suffice.
  constexpr int fewest_segments(int units) const {
    if (kept_row(units) >= all_.count) return 0;
    long held = 0;
    for (int segments = 1; segments * all_.state <= units; ++segments) {
      held += kept_row(units - (segments - 1) * all_.state);
      if (held + kept_row(units - segments * all_.state) >= all_.count) return segments;
    }
    return 0;
  }
  constexpr double again_of(int units, int segments) const {
    if (segments == 0) return kept_row(units) >= all_.count ? 0 : never;
    return all_.count - kept_row(units - segments * all_.state) - segments * (1 - all_.last);
  }
  /// More segments have more last links, of which a share alone runs again.
  constexpr int best_segments(int units) const {
    int best = fewest_segments(units);
    for (int more = best + 1; best > 0 && more * all_.state <= units && more < all_.count; ++more)
      if (again_of(units, more) < again_of(units, best)) best = more;
    return best;
  }
  constexpr void add_once(int units, core::list<chain_segment>& made) const {
    int left = all_.count;
    const int segments = best_segments(units);
    if (segments > 0) left -= kept_row(units - segments * all_.state);
    for (int k = 0, first = 0; k < segments; ++k) {
      const int most = kept_row(units - k * all_.state);
      const int links = most < left - (segments - 1 - k) ? most : left - (segments - 1 - k);
      add(made, first, links);
      first += links;
      left -= links;
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
