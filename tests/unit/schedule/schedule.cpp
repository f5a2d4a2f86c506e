// SPDX-License-Identifier: MIT
// The tables that the settings make.
#include <remat/schedule/schedule.hpp>

#include <remat/schedule/in_flight.hpp>
#include <remat/schedule/schedule_option.hpp>
#include <remat/schedule/schedule_rules.hpp>

#include <catch2/catch.hpp>

#include "refusal.hpp"

#include <algorithm>
#include <utility>

namespace schedule_tests {

namespace schedule = remat::schedule;
using Catch::Matchers::Contains;

/// "F0 F1 B0": the tasks of a rank, with the stage where it matters ("F0.1").
constexpr bool is_row(const remat::core::list<remat::pipeline_task>& row, const char* text, bool has_stages = false) {
  for (const remat::pipeline_task& t : row) {
    if (*text++ != remat::rules_of(t.kind).letter) return false;
    if (*text++ != '0' + t.microbatch) return false;
    if (has_stages && (*text++ != '.' || *text++ != '0' + t.stage)) return false;
    if (*text != 0 && *text++ != ' ') return false;
  }
  return *text == 0;
}

static_assert(is_row(schedule::gpipe.make(2, 3).rows[0], "F0 F1 F2 B0 B1 B2"));
static_assert(is_row(schedule::gpipe.make(2, 3).rows[1], "F0 F1 F2 B0 B1 B2"));
static_assert(is_row(schedule::one_f_one_b.make(3, 4).rows[0], "F0 F1 F2 B0 F3 B1 B2 B3"));
static_assert(is_row(schedule::one_f_one_b.make(3, 4).rows[1], "F0 F1 B0 F2 B1 F3 B2 B3"));
static_assert(is_row(schedule::one_f_one_b.make(3, 4).rows[2], "F0 B0 F1 B1 F2 B2 F3 B3"));
static_assert(is_row(schedule::one_f_one_b.make(3, 1).rows[0], "F0 B0"));
static_assert(is_row(schedule::zero_bubble.make(3, 4).rows[0], "F0 F1 F2 B0 F3 B1 B2 B3"));
static_assert(is_row(schedule::zero_bubble.make(3, 4).rows[1], "F0 F1 I0 F2 I1 W0 F3 I2 W1 I3 W2 W3"));
static_assert(is_row(schedule::zero_bubble.make(3, 4).rows[2], "F0 I0 F1 I1 F2 I2 W0 F3 I3 W1 W2 W3"));
static_assert(is_row(schedule::zero_bubble.make(3, 1).rows[2], "F0 I0 W0"));
static_assert(is_row(schedule::interleaved<2>.make(2, 2).rows[0], "F0.0 F1.0 F0.2 F1.2 B0.2 B1.2 B0.0 B1.0", true));
static_assert(is_row(schedule::interleaved<2>.make(2, 2).rows[1], "F0.1 F1.1 F0.3 B0.3 F1.3 B1.3 B0.1 B1.1", true));
static_assert(is_row(schedule::forward_only.make(2, 3).rows[1], "F0 F1 F2"));
static_assert(is_row(schedule::forward_only.over(2).make(2, 3).rows[1], "F0.1 F1.1 F0.3 F1.3 F2.1 F2.3", true));

constexpr bool is_accepted(const remat::schedule_table& table, bool is_training = true) {
  remat::check_schedule(table, {.is_training = is_training});
  return true;
}
static_assert(is_accepted(schedule::gpipe.make(4, 8)));
static_assert(is_accepted(schedule::one_f_one_b.make(4, 8)));
static_assert(is_accepted(schedule::zero_bubble.make(4, 8)));
static_assert(is_accepted(schedule::interleaved<2>.make(4, 8)));
static_assert(is_accepted(schedule::interleaved<4>.make(8, 16)));
static_assert(is_accepted(schedule::forward_only.over(3).make(4, 9), false));

TEST_CASE("every setting makes schedules that can run", "[dist]") {
  for (int ranks = 1; ranks <= 9; ++ranks)
    for (int microbatches = 1; microbatches <= 20; ++microbatches) {
      CHECK_NOTHROW(remat::check_schedule(schedule::gpipe.make(ranks, microbatches)));
      CHECK_NOTHROW(remat::check_schedule(schedule::one_f_one_b.make(ranks, microbatches)));
      CHECK_NOTHROW(remat::check_schedule(schedule::zero_bubble.make(ranks, microbatches)));
      for (int over = 1; over <= 4; ++over) {
        CHECK_NOTHROW(
            remat::check_schedule(schedule::forward_only.over(over).make(ranks, microbatches), {.is_training = false}));
        if (microbatches % ranks == 0)
          CHECK_NOTHROW(remat::check_schedule(schedule::interleaved<1>.over(over).make(ranks, microbatches)));
      }
    }
}

TEST_CASE("interleaved with one stage per rank is one_f_one_b", "[dist]") {
  const remat::schedule_table a = schedule::interleaved<1>.make(4, 8), b = schedule::one_f_one_b.make(4, 8);
  for (int rank = 0; rank < 4; ++rank)
    CHECK(std::equal(a.rows[rank].begin(), a.rows[rank].end(), b.rows[rank].begin()));
}

TEST_CASE("micro-batches in flight are what the schedules promise", "[dist]") {
  for (int ranks = 1; ranks <= 8; ++ranks)
    for (int m = 1; m <= 16; ++m)
      for (int stage = 0; stage < ranks; ++stage) {
        CHECK(remat::in_flight(schedule::gpipe.make(ranks, m), stage) == m);
        CHECK(remat::in_flight(schedule::one_f_one_b.make(ranks, m), stage) == std::min(ranks - stage, m));
        CHECK(remat::in_flight(schedule::forward_only.make(ranks, m), stage) == 0);
        using pass = remat::pass_kind;
        const remat::schedule_table halved = schedule::zero_bubble.make(ranks, m);
        const remat::passes_in_flight most(halved);
        CHECK(most(stage, pass::forward, pass::backward_input) == std::min(ranks - stage, m));
        CHECK(most(stage, pass::backward_input, pass::backward_parameters) ==
              (stage == 0 ? 0 : std::min(stage + 1, m)));
        CHECK(most(stage, pass::forward, pass::backward_parameters) <= std::min(ranks, m));
      }
  // Narayanan et al. 2021: rank r is ahead by 2 (p - r - 1) + (V - 1) p passes, and keeps one more while it alternates.
  for (int over = 2; over <= 4; ++over) {
    const remat::schedule_table table = schedule::interleaved<1>.over(over).make(4, 16);
    for (int rank = 0; rank < 4; ++rank) {
      int now = 0, most = 0;
      for (const remat::pipeline_task& t : table.rows[rank])
        most = std::max(most, now += t.kind == remat::task_kind::forward ? 1 : -1);
      CHECK(most == 2 * (3 - rank) + (over - 1) * 4 + 1);
    }
  }
}

TEST_CASE("schedules refuse numbers that they do not take", "[dist]") {
  CHECK_THAT(refusal([] { schedule::interleaved<2>.make(4, 6); }),
             Contains("schedule interleaved: the micro-batches must be a multiple of the ranks, and 6 is none of 4") &&
                 Contains("take 4 or 8 micro-batches"));
  CHECK_THAT(refusal([] { schedule::interleaved<2>.make(4, 3); }), Contains("take 4 micro-batches"));
  CHECK_THAT(refusal([] { schedule::gpipe.make(4, 0); }), Contains("schedule gpipe") && Contains("at least 1 each"));
  CHECK_THAT(refusal([] { schedule::one_f_one_b.make(0, 1); }), Contains("at least 1 each, not 0, 1 and 1"));
  CHECK_THAT(refusal([] { schedule::one_f_one_b.over(2).make(2, 4); }), Contains("a rank has one stage, not 2"));
  CHECK_THAT(refusal([] { schedule::zero_bubble.over(2).make(2, 4); }),
             Contains("schedule zero_bubble: a rank has one stage, not 2"));
  CHECK_THAT(refusal([] { schedule::interleaved<1>.over(1'000'000'000).make(4, 8); }),
             Contains("at most 100,000,000 passes") && Contains("4 ranks x 1000000000 stages x 8 micro-batches"));
}

TEST_CASE("inference runs where the stages of a schedule are", "[dist]") {
  remat::schedule_table swapped = schedule::interleaved<2>.make(3, 6);
  std::swap(swapped.rows[0], swapped.rows[2]);
  const remat::schedule_table forward = remat::forward_only_like(swapped, 7);
  CHECK(forward.microbatches == 7);
  CHECK_NOTHROW(remat::check_schedule(forward, {.is_training = false}));
  for (int stage = 0; stage < 6; ++stage) CHECK(forward.rank_of(stage) == swapped.rank_of(stage));
}

TEST_CASE("a pipeline's schedule is a setting or a table", "[dist]") {
  const remat::pipeline_schedule setting = schedule::interleaved<2>;
  CHECK(setting.name() == "interleaved");
  CHECK(setting.stages(4) == 8);
  CHECK(setting.table(4, 8).ranks() == 4);
  const remat::pipeline_schedule table = schedule::gpipe.make(2, 4);
  CHECK(table.is_table());
  CHECK(table.stages(2) == 2);
  CHECK(table.table(2, 4).rows[1].count() == 8);
  CHECK_THAT(refusal([&] { table.table(3, 4); }),
             Contains("the table is for 2 ranks and 4 micro-batches, and the pipeline has 3 ranks"));
  static_assert(remat::pipeline_schedule().name() == "one_f_one_b");
}

}  // namespace schedule_tests
