// SPDX-License-Identifier: MIT
// The nominal clock: closed forms of the bubble, and tables that cannot run.
#include <remat/schedule/schedule_clock.hpp>

#include <remat/schedule/schedule.hpp>

#include <catch2/catch.hpp>

#include "property.hpp"
#include "random_schedule.hpp"
#include "refusal.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace schedule_clock_tests {

namespace schedule = remat::schedule;
using Catch::Matchers::Contains;

constexpr long length_of(const remat::schedule_setting& s, int ranks, int microbatches, remat::clock_units units = {}) {
  return remat::nominal_clock(s.make(ranks, microbatches), units).length;
}
// A step takes (m + p - 1) forward and backward passes.
static_assert(length_of(schedule::gpipe, 4, 8) == (8 + 3) * 3);
static_assert(length_of(schedule::one_f_one_b, 4, 8) == (8 + 3) * 3);
static_assert(length_of(schedule::one_f_one_b, 4, 8, {1, 1}) == (8 + 3) * 2);
static_assert(length_of(schedule::one_f_one_b, 4, 2) == (2 + 3) * 3);
static_assert(length_of(schedule::interleaved<2>, 4, 8) == (2 * 8 + 3) * 3);
static_assert(length_of(schedule::zero_bubble, 4, 8) == 3 * 8 + 3);
static_assert(length_of(schedule::zero_bubble, 2, 8) == 3 * 8 + 1);
static_assert(remat::nominal_clock(schedule::one_f_one_b.make(2, 2)).begins[1][1] == 2);

TEST_CASE("bubbles are those of the papers", "[dist]") {
  for (const remat::clock_units units : {remat::clock_units{1, 2}, {1, 1}, {2, 3}})
    for (int ranks = 1; ranks <= 8; ++ranks)
      for (int m = 1; m <= 32; ++m) {
        const double expected = static_cast<double>(ranks - 1) / (m + ranks - 1);
        for (const auto& setting : {schedule::gpipe, schedule::one_f_one_b}) {
          const remat::schedule_clock clock = remat::nominal_clock(setting.make(ranks, m), units);
          CHECK(clock.bubble() == Approx(expected).margin(1e-12));
          CHECK(clock.bubble(ranks - 1) == Approx(expected).margin(1e-12));
        }
        const long rest = remat::nominal_clock(schedule::zero_bubble.make(ranks, m)).length - 3 * m;
        CHECK(rest == (m >= ranks ? ranks - 1 : 2 * ranks - 1 - m));
        CHECK(rest <= 3 * (ranks - 1));
        for (int over = 2; over <= 4 && m % ranks == 0; ++over) {
          const double bubble =
              remat::nominal_clock(schedule::interleaved<1>.over(over).make(ranks, m), units).bubble();
          CHECK(bubble == Approx(static_cast<double>(ranks - 1) / (over * m + ranks - 1)).margin(1e-12));
          if (ranks > 1) CHECK(bubble < expected);
        }
      }
}

TEST_CASE("every task begins after what it reads and as soon as it can", "[dist]") {
  require_law(300, [] {
    const remat::schedule_table table = random_order_table();
    const remat::clock_units units{draw(1, 4), draw(1, 4), draw(1, 4), draw(1, 4)};
    const remat::schedule_clock clock = remat::nominal_clock(table, units);
    RC_ASSERT(clock.runs());
    const remat::task_positions positions(table);
    using pass = remat::pass_kind;
    const auto end = [&](pass p, int stage, int m) {
      return clock.ends[positions.rank_of(stage)][positions.position_of(p, stage, m)];
    };
    for (int rank = 0; rank < table.ranks(); ++rank)
      for (int i = 0; i < table.rows[rank].count(); ++i) {
        const auto [kind, stage, m] = table.rows[rank][i];
        long earliest = clock.reached(rank, i);
        long takes = 0;
        switch (kind) {
          case remat::task_kind::forward:
            takes = units.forward;
            if (stage > 0) earliest = std::max(earliest, end(pass::forward, stage - 1, m));
            break;
          case remat::task_kind::backward_parameters:
            takes = units.backward_parameters;
            earliest = std::max(earliest, end(pass::backward_input, stage, m));
            break;
          case remat::task_kind::backward:
          case remat::task_kind::backward_input:
            takes = kind == remat::task_kind::backward ? units.backward : units.backward_input;
            earliest = std::max(earliest, end(pass::forward, stage, m));
            if (stage + 1 < table.stages) earliest = std::max(earliest, end(pass::backward_input, stage + 1, m));
        }
        RC_ASSERT(clock.begins[rank][i] == earliest);
        RC_ASSERT(clock.ends[rank][i] == earliest + takes);
      }
  });
}

TEST_CASE("a table that cannot run says which tasks wait for what", "[dist]") {
  remat::schedule_table table = schedule::one_f_one_b.make(2, 2);  // F0 F1 B0 B1; F0 B0 F1 B1
  std::swap(table.rows[0][1], table.rows[0][2]);                   // F0 B0 F1 B1
  std::swap(table.rows[1][1], table.rows[1][2]);                   // F0 F1 B0 B1
  const remat::schedule_clock clock = remat::nominal_clock(table);
  CHECK_FALSE(clock.runs());
  CHECK(clock.unmet.count() == 2);
  const std::string text = remat::unmet_text(clock.unmet);
  CHECK_THAT(text, Contains("rank 0, position 1: backward of stage 0, micro-batch 0 waits for backward of stage 1, "
                            "micro-batch 0"));
  CHECK_THAT(text, Contains("rank 1, position 1: forward of stage 1, micro-batch 1 waits for forward of stage 0, "
                            "micro-batch 1"));
}

TEST_CASE("a clock refuses tasks outside of its table and units below 1", "[dist]") {
  remat::schedule_table table = schedule::gpipe.make(2, 2);
  table.rows[1][2].stage = 2;
  CHECK_THAT(refusal([&] { remat::nominal_clock(table); }),
             Contains("rank 1, position 2: backward of stage 2, micro-batch 0") && Contains("stages 0 to 1"));
  CHECK_THAT(refusal([] { remat::nominal_clock(schedule::gpipe.make(2, 2), {0, 1}); }), Contains("at least 1 unit"));
}

TEST_CASE("1,024 stages and 4,096 micro-batches have a clock", "[once][dist]") {
  const remat::schedule_clock clock = remat::nominal_clock(schedule::one_f_one_b.make(1024, 4096));
  CHECK(clock.length == (4096 + 1023) * 3);
}

}  // namespace schedule_clock_tests
