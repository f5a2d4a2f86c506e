// SPDX-License-Identifier: MIT
// Schedules as grids.
#include <remat/schedule/schedule_text.hpp>

#include <remat/schedule/schedule.hpp>

#include <catch2/catch.hpp>

#include "refusal.hpp"

#include <string>
#include <utility>

namespace schedule_text_tests {

namespace schedule = remat::schedule;
using Catch::Matchers::Contains;

TEST_CASE("a schedule prints as a grid of ranks and time", "[dist]") {
  CHECK(remat::schedule_grid(schedule::one_f_one_b.make(3, 4)) ==
        "rank 0  F0 F1 F2  .  .  .  . B0 -- F3 B1 --  . B2 --  . B3 --\n"
        "rank 1   . F0 F1  .  . B0 -- F2 B1 -- F3 B2 --  . B3 --  .  .\n"
        "rank 2   .  . F0 B0 -- F1 B1 -- F2 B2 -- F3 B3 --  .  .  .  .\n");
  CHECK(remat::schedule_grid(schedule::gpipe.make(2, 2), {1, 1}) ==
        "rank 0  F0 F1  .  . B0 B1\n"
        "rank 1   . F0 F1 B0 B1  .\n");
  CHECK(remat::schedule_grid(schedule::zero_bubble.make(2, 3)) ==
        "rank 0  F0 F1  . B0 -- F2 B1 -- B2 --\n"
        "rank 1   . F0 I0 F1 I1 W0 F2 I2 W1 W2\n");
  CHECK(remat::schedule_grid(schedule::interleaved<2>.make(2, 2), {1, 1}) ==
        "rank 0  F0.0 F1.0 F0.2 F1.2    . B0.2    . B1.2 B0.0 B1.0\n"
        "rank 1     . F0.1 F1.1 F0.3 B0.3 F1.3 B1.3 B0.1 B1.1    .\n");
}

TEST_CASE("the grid of many ranks stays aligned", "[dist]") {
  const std::string grid = remat::schedule_grid(schedule::forward_only.make(11, 101));
  CHECK_THAT(grid, Contains("rank  0    F0   F1") && Contains("rank 10     .    .") && Contains(" F99 F100"));
}

TEST_CASE("a schedule that cannot run is not printed", "[dist]") {
  remat::schedule_table table = schedule::gpipe.make(2, 1);
  std::swap(table.rows[0][0], table.rows[0][1]);
  CHECK_THAT(refusal([&] { remat::schedule_grid(table); }),
             Contains("cannot be printed since it cannot run") && Contains("rank 0, position 0: backward of stage 0"));
}

}  // namespace schedule_text_tests
