// SPDX-License-Identifier: MIT
/// Persistent schedules of a uniform chain of any length whose forward pass may use a disk: a closed form of two
/// levels.
///
/// The state before each part of the chain waits on the disk, but for the last part's, and each part is reversed in all
/// of the memory (uniform_schedule.hpp) after the ones that follow it. What a link saves may wait there, too. The least
/// that `l` links cost in `m` units, in links, is
///
///     least(l) = min { again(l, m)                                                      nothing is on the disk
///                    , state + u - 1 + last + again(u, m) + least(l - u)                the state before u links is
///                    , tape + least(l - 1) }                                            what a link saves is
///
/// where `state` and `tape` are the prices of what is written once and read once. Keeping something in memory before
/// what is on the disk is never better: in the other order the part has more memory. The parts come out about as long
/// as each other: a period, after Aupy and Herrmann 2017 ("Periodicity in optimal hierarchical checkpointing schemes
/// for adjoint computations"). Up to `exact_links` links every length of a part is tried; of longer chains those near
/// the one that costs least for a link, and some farther from it the fewer parts there are, since these have to add up.
///
/// Schedules that write in later passes, or read a state more than once, as those of Herrmann and Pallez 2020 do
/// ("H-Revolve: a framework for adjoint computation on synchronous hierarchical platforms"), are not among these. Next
/// to those, these may keep what a step saves; where the disk has room for all that they write, none of those was found
/// to cost less.
#pragma once

#include <remat/plan/uniform_schedule.hpp>

#include <cstddef>
#include <limits>
#include <vector>

namespace remat::detail {

/// What writing and reading costs, in links; infinity: it stays in memory.
struct disk_prices {
  double state = std::numeric_limits<double>::infinity(), tape = std::numeric_limits<double>::infinity();
};

/// A chain cut into parts.
struct uniform_split {
  std::vector<int>
      parts;         ///< links of each in order, whose first state is on the disk; 0: one link, and what it saves is
  int tail = 0;      ///< links of the last part, which is in memory
  double again = 0;  ///< links that run again
  int states = 0, tapes = 0;  ///< on the disk
};

class uniform_disk_schedules {
 public:
  static constexpr int exact_links = uniform_schedules::exact_links;

  /// `in_memory` must stay.
  uniform_disk_schedules(const uniform_schedules& in_memory, const uniform_links& all)
      : in_memory_(in_memory), all_(all) {}

  /// In a number of units.
  class at_units {
   public:
    at_units(const uniform_disk_schedules& all, int units)
        : links_(all.all_), row_(all.in_memory_.again_of_each(units)) {}

    /// The split that costs least.
    uniform_split cheapest(const disk_prices& price) const {
      const std::size_t links = static_cast<std::size_t>(links_.count);
      std::vector<double> least(links + 1), part(links + 1);
      std::vector<int> choice(links + 1, all_in_memory);
      int near = 1;
      for (std::size_t u = 1; u <= links; ++u) {
        part[u] = price.state + run_again(u);
        if (part[u] * near < part[static_cast<std::size_t>(near)] * static_cast<double>(u)) near = static_cast<int>(u);
      }
      const std::size_t middle = static_cast<std::size_t>(near), reach = middle * middle / links;
      for (std::size_t l = 1; l <= links; ++l) {
        double best = in_row(l);
        const auto look = [&](std::size_t by, std::size_t step) {
          for (std::size_t u = middle > by ? middle - by : 1; u <= middle + by && u < l; u += step)
            if (part[u] + least[l - u] < best) best = part[u] + least[l - u], choice[l] = static_cast<int>(u);
        };
        if (l > 1 && price.tape + least[l - 1] < best) best = price.tape + least[l - 1], choice[l] = a_tape;
        if (links <= exact_links) {
          look(links, 1);
        } else {
          look(12, 1);
          if (reach > 12) look(reach, reach / 128 + 1);
        }
        least[l] = best;
      }
      return split_of(choice);
    }

   private:
    static constexpr int all_in_memory = -1, a_tape = 0;

    double in_row(std::size_t links) const { return static_cast<double>(row_.data()[links]); }
    double run_again(std::size_t links) const { return static_cast<double>(links) - 1 + links_.last + in_row(links); }
    uniform_split split_of(const std::vector<int>& choice) const {
      uniform_split made;
      made.tail = links_.count;
      while (made.tail > 0) {
        const int taken = choice[static_cast<std::size_t>(made.tail)];
        if (taken == all_in_memory) break;
        made.parts.push_back(taken);
        made.tail -= taken == a_tape ? 1 : taken;
        ++(taken == a_tape ? made.tapes : made.states);
        if (taken != a_tape) made.again += run_again(static_cast<std::size_t>(taken));
      }
      made.again += in_row(static_cast<std::size_t>(made.tail));
      return made;
    }

    const uniform_links& links_;
    core::list<float> row_;
  };

  /// The segments of a split in a number of units, in preorder.
  core::list<chain_segment> segments(const uniform_split& split, int units) const {
    core::list<chain_segment> made;
    int first = 0;
    for (const int links : split.parts) {
      if (links > 0) {
        made.push_back({static_cast<std::size_t>(first), static_cast<std::size_t>(first + links)});
        in_memory_.add_segments(first, links, units, made);
      }
      first += links > 0 ? links : 1;
    }
    in_memory_.add_segments(first, split.tail, units, made);
    return made;
  }

 private:
  const uniform_schedules& in_memory_;
  uniform_links all_;
};

}  // namespace remat::detail
