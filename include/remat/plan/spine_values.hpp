// SPDX-License-Identifier: MIT
/// What the states of a chain solver cost, for each number of quanta: tables that are filled option by option.
///
/// A state is of the operations [s, t), and says which tensors of its frontier nobody else holds. Below `low` quanta
/// there is no schedule, from `high` on none gets faster; between them a table has the cost of the fastest.
#pragma once

#include <remat/plan/least_sums.hpp>
#include <remat/plan/spine_needs.hpp>

#include <cstddef>
#include <limits>
#include <type_traits>

namespace remat::detail {

struct spine_state {
  frontier_set unheld = 0;
  int low = 0, high = 0;
  int next = core::none;  ///< of the same operations
  std::size_t at = 0;     ///< where its table is
  double last = 0;        ///< of its table: the least of all
};
/// A state, and quanta that its frontier takes in addition to it.
struct spine_entry {
  int state = 0, held = 0;
};
/// How a state begins: what that takes and costs, and which states follow.
struct spine_option {
  int peak = 0, charge = 0;
  double cost = 0;
  spine_entry right = {}, left = {};
  frontier_set after = 0;  ///< of the right one's frontier, what nobody holds
};

class spine_values {
  /// Costs from a number of quanta to another, which has the last one.
  struct costs_of {
    const double* values;
    int begin, end;

    double last() const { return values[end - begin]; }
  };
  static constexpr void take(double& best, double cost) { best = cost < best ? cost : best; }
  static void offer_many(double* costs, int m, int stop, double cost, const costs_of& rights, const costs_of& lefts) {
    const int first_end = rights.end < lefts.end ? rights.end : lefts.end, both = first_end < stop ? first_end : stop;
    if (m <= both) {
      const double *const a = rights.values + (m - rights.begin), *const b = lefts.values + (m - lefts.begin);
      take_least_sums(costs + m, a, b, cost, both - m + 1);
      m = both + 1;
    }
    if (m > stop) return;
    if (rights.end > lefts.end)
      take_least_shifted(costs + m, rights.values + (m - rights.begin), lefts.last(), cost, stop - m + 1);
    else
      take_least_shifted(costs + m, lefts.values + (m - lefts.begin), 0, cost + rights.last(), stop - m + 1);
  }

 public:
  static constexpr double never = std::numeric_limits<double>::infinity();

  /// State 0 has nothing to do.
  constexpr explicit spine_values(int levels) : levels_(levels) {
    states_.push_back({});
    values_.push_back(0);
  }

  constexpr const spine_state* states() const { return states_.data(); }
  constexpr int low(const spine_entry& e) const { return states_.data()[e.state].low + e.held; }
  constexpr int high(const spine_entry& e) const { return states_.data()[e.state].high + e.held; }
  constexpr double value(const spine_entry& e, int quanta) const {
    const spine_state& here = states_.data()[e.state];
    const int own = quanta - e.held;
    if (own < here.low) return never;
    return values_.data()[here.at + static_cast<std::size_t>((own < here.high ? own : here.high) - here.low)];
  }
  constexpr int least(const spine_option& o) const {
    int least = o.peak;
    if (o.charge + low(o.right) > least) least = o.charge + low(o.right);
    if (low(o.left) > least) least = low(o.left);
    return least;
  }

  /// A table that is being filled. One after the other: those of states that others begin with come before. It begins
  /// with an option that costs no more than any other where there are quanta enough.
  struct table {
    int number = 0, highest = 0, least = 0;
  };
  constexpr table begin(const spine_option& fastest) {
    if (open_ == scratch_.count()) scratch_.push_back(core::list<double>(static_cast<std::size_t>(levels_) + 1));
    table made{open_++, fastest.peak, least(fastest)};
    if (fastest.charge + high(fastest.right) > made.highest) made.highest = fastest.charge + high(fastest.right);
    if (high(fastest.left) > made.highest) made.highest = high(fastest.left);
    if (made.highest > levels_) made.highest = levels_;
    double* const costs = scratch_.data()[made.number].data();
    for (int m = 0; m <= made.highest; ++m) costs[m] = never;
    offer(made, fastest);
    return made;
  }
  /// Takes it where it is faster.
  constexpr void offer(table& to, const spine_option& o) {
    const spine_state* const states = states_.data();
    const spine_state &right = states[o.right.state], &left = states[o.left.state];
    // The quanta of the first entries of both tables, and of the last ones, after which they do not change.
    const int right_begin = o.charge + o.right.held + right.low, left_begin = o.left.held + left.low;
    const int both_begin = right_begin < left_begin ? left_begin : right_begin;
    const int from = o.peak > both_begin ? o.peak : both_begin;
    if (from < to.least) to.least = from;
    if (from > to.highest) return;
    double* const costs = scratch_.data()[to.number].data();
    const double fastest = o.cost + right.last + left.last;
    if (fastest >= costs[from]) return;  // no number of quanta makes it faster
    const double *const rights = values_.data() + right.at, *const lefts = values_.data() + left.at;
    const int right_end = right_begin + right.high - right.low, left_end = left_begin + left.high - left.low;
    const int last_end = right_end < left_end ? left_end : right_end;
    int stop = last_end < to.highest ? last_end : to.highest;
    if (from > stop) return take(costs[from], fastest);
    // Nor does any after one for which the table costs no more than that already: `end` carries it to all larger ones.
    for (int costs_more = from; stop - costs_more > 8;) {
      const int middle = costs_more + (stop - costs_more) / 2;
      (costs[middle] <= fastest ? stop : costs_more) = middle;
    }
    if (std::is_constant_evaluated()) {  // in few steps
      double cost = 0;
      for (int m = from; m <= stop; ++m)
        cost = o.cost + rights[(m < right_end ? m : right_end) - right_begin] +
               lefts[(m < left_end ? m : left_end) - left_begin],
        costs[m] = cost < costs[m] ? cost : costs[m];
    } else {
      offer_many(costs, from, stop, o.cost, {rights, right_begin, right_end}, {lefts, left_begin, left_end});
    }
  }
  /// The state of the table, after all its options.
  constexpr int end(const table& filled, frontier_set unheld, int next) {
    const int low = filled.least > levels_ ? levels_ + 1 : filled.least;
    spine_state made{unheld, low, filled.highest, next, values_.size(), 0};
    if (made.high < made.low) made.high = made.low;
    double* const costs = scratch_.data()[filled.number].data();
    for (int m = made.low + 1; m <= filled.highest; ++m)
      if (costs[m - 1] < costs[m]) costs[m] = costs[m - 1];
    if (made.low <= filled.highest) values_.append(costs + made.low, costs + filled.highest + 1);
    if (made.low > filled.highest) values_.push_back(never);
    made.last = values_.data()[values_.size() - 1];
    --open_;
    states_.push_back(made);
    return states_.count() - 1;
  }

 private:
  int levels_;
  core::list<spine_state> states_;
  core::list<double> values_;
  core::list<core::list<double>> scratch_;  // tables that are being filled
  int open_ = 0;
};

}  // namespace remat::detail
