// SPDX-License-Identifier: MIT
// Broken schedules are refused, with the row that is wrong; all others run without deadlock.
#include <remat/schedule/schedule_rules.hpp>

#include <remat/schedule/schedule.hpp>

#include <catch2/catch.hpp>

#include "property.hpp"
#include "random_schedule.hpp"
#include "refusal.hpp"

#include <string>
#include <utility>

namespace schedule_rules_tests {

namespace schedule = remat::schedule;
using Catch::Matchers::Contains;
using remat::task_kind;
constexpr task_kind forward = task_kind::forward, backward = task_kind::backward;

/// What 1F1B on 3 ranks with 4 micro-batches is refused with after a change.
///     rank 0: F0 F1 F2 B0 F3 B1 B2 B3;  rank 1: F0 F1 B0 F2 B1 F3 B2 B3;  rank 2: F0 B0 F1 B1 F2 B2 F3 B3
template <class Change>
std::string broken(const Change& change, const remat::schedule_terms& terms = {}) {
  remat::schedule_table table = schedule::one_f_one_b.make(3, 4);
  change(table);
  return refusal([&] { remat::check_schedule(table, terms); });
}

void remove(remat::core::list<remat::pipeline_task>& row, int position) {
  remat::core::list<remat::pipeline_task> rest;
  for (int i = 0; i < row.count(); ++i)
    if (i != position) rest.push_back(row[i]);
  row = rest;
}

TEST_CASE("an unbroken schedule is accepted", "[dist]") {
  CHECK(broken([](auto&) {}) == "");
}

TEST_CASE("broken schedules are refused with their row", "[dist]") {
  using table = remat::schedule_table;
  SECTION("a stage outside") {
    CHECK_THAT(broken([](table& t) { t.rows[1][2].stage = 3; }),
               Contains("rank 1, position 2: backward of stage 3, micro-batch 0") &&
                   Contains("stages 0 to 2 and micro-batches 0 to 3"));
    CHECK_THAT(broken([](table& t) { t.rows[1][2].stage = -1; }), Contains("rank 1, position 2: backward of stage -1"));
  }
  SECTION("a micro-batch outside") {
    CHECK_THAT(broken([](table& t) { t.rows[0][4].microbatch = 4; }),
               Contains("rank 0, position 4: forward of stage 0, micro-batch 4") && Contains("micro-batches 0 to 3"));
  }
  SECTION("a kind that is none") {
    CHECK_THAT(broken([](table& t) { t.rows[0][4].kind = static_cast<task_kind>(7); }),
               Contains("rank 0, position 4: kind 7 of stage 0"));
  }
  SECTION("a stage on two ranks") {
    CHECK_THAT(broken([](table& t) {
                 t.rows[2].push_back({forward, 1, 0});
               }),
               Contains("rank 2, position 8: forward of stage 1, micro-batch 0: the stage is on rank 1 already"));
  }
  SECTION("a stage on no rank") {
    CHECK_THAT(broken([](table& t) { t.rows[1].clear(); }), Contains("stage 1 is on no rank"));
    CHECK_THAT(broken([](table& t) { t.stages = 2'000'000'000; }), Contains("stage 3 is on no rank"));
  }
  SECTION("a task twice") {
    CHECK_THAT(broken([](table& t) { t.rows[0][2] = t.rows[0][1]; }),
               Contains("rank 0, position 2: forward of stage 0, micro-batch 1: this task is at position 1 already"));
    CHECK_THAT(broken([](table& t) {
                 t.rows[2].push_back({backward, 2, 3});
               }),
               Contains("rank 2, position 8: backward of stage 2, micro-batch 3: this task is at position 7 already"));
  }
  SECTION("a forward pass missing in between") {
    CHECK_THAT(broken([](table& t) { remove(t.rows[0], 1); }),
               Contains("rank 0, position 1: forward of stage 0, micro-batch 2: there is no forward of stage 0, "
                        "micro-batch 1 in front of it"));
  }
  SECTION("a backward pass missing at the end") {
    CHECK_THAT(
        broken([](table& t) { remove(t.rows[1], 7); }),
        Contains("rank 1, which has stage 1, ends at position 7 without the backward of stage 1, micro-batch 3"));
  }
  SECTION("a forward pass missing at the end") {
    CHECK_THAT(broken([](table& t) { t.microbatches = 5; }),
               Contains("rank 0, which has stage 0, ends at position 8 without the forward of stage 0, micro-batch 4"));
  }
  SECTION("forward passes in descending order") {
    CHECK_THAT(broken([](table& t) { std::swap(t.rows[0][1], t.rows[0][2]); }),
               Contains("rank 0, position 1: forward of stage 0, micro-batch 2: it comes before micro-batch 1 "
                        "(position 2)") &&
                   Contains("ascending order"));
  }
  SECTION("backward passes in descending order") {
    CHECK_THAT(broken([](table& t) { std::swap(t.rows[1][6], t.rows[1][7]); }),
               Contains("rank 1, position 6: backward of stage 1, micro-batch 3: it comes before micro-batch 2"));
  }
  SECTION("backward before forward") {
    CHECK_THAT(broken([](table& t) { std::swap(t.rows[2][2], t.rows[2][3]); }),
               Contains("rank 2, position 2: backward of stage 2, micro-batch 1: it comes before the forward pass"));
  }
  SECTION("a cycle") {
    const std::string text = broken([](table& t) {
      std::swap(t.rows[0][2], t.rows[0][3]), std::swap(t.rows[0][1], t.rows[0][2]),
          std::swap(t.rows[1][1], t.rows[1][2]), std::swap(t.rows[2][1], t.rows[2][2]);
    });
    CHECK_THAT(text, Contains("it cannot run") &&
                         Contains("rank 0, position 1: backward of stage 0, micro-batch 0 waits for backward of stage "
                                  "1, micro-batch 0"));
  }
  SECTION("no numbers") {
    CHECK_THAT(broken([](table& t) { t = {}; }), Contains("at least 1 each, not 0, 0 and 0"));
  }
  SECTION("a backward pass in inference") {
    CHECK_THAT(broken([](table&) {}, {.is_training = false}),
               Contains("rank 0, position 3: backward of stage 0, micro-batch 0: there is no backward pass"));
  }
  SECTION("inference in training") {
    CHECK_THAT(broken([](table& t) { t = schedule::forward_only.make(2, 2); }),
               Contains("rank 0, which has stage 0, ends at position 2 without the backward of stage 0"));
  }
  SECTION("more in flight than the bound") {
    CHECK_THAT(broken([](table&) {}, {.in_flight_bounds = {3, 1, 1}}),
               Contains("rank 1, position 1: forward of stage 1, micro-batch 1: the stage then keeps 2 micro-batches, "
                        "and may keep 1"));
    CHECK(broken([](table&) {}, {.in_flight_bounds = {3, 2, 1}}) == "");
    CHECK_THAT(broken([](table&) {}, {.in_flight_bounds = {3, 2}}), Contains("2 bounds") && Contains("3 stages"));
  }
  SECTION("a message that cannot be") {
    CHECK_THAT(broken([](table&) {}, {.messages = {{0, 3, remat::pass_kind::forward}}}),
               Contains("message of stage 0 to stage 3"));
  }
}

TEST_CASE("broken schedules of halved backward passes are refused with their row", "[dist]") {
  //     rank 1 of 2 with 3 micro-batches: F0 I0 F1 I1 W0 F2 I2 W1 W2
  const auto halved = [](const auto& change) {
    remat::schedule_table table = schedule::zero_bubble.make(2, 3);
    change(table.rows[1]);
    return refusal([&] { remat::check_schedule(table); });
  };
  using row = remat::core::list<remat::pipeline_task>;
  CHECK(halved([](row&) {}) == "");
  CHECK(halved([](row& r) {  // micro-batch 0 in one task, the others in two
          r[1].kind = backward;
          remove(r, 4);
        }) == "");
  CHECK_THAT(halved([](row& r) { remove(r, 8); }),
             Contains("rank 1, which has stage 1, ends at position 8 without the backward_parameters of stage 1, "
                      "micro-batch 2"));
  CHECK_THAT(halved([](row& r) { std::swap(r[7], r[8]); }),
             Contains("rank 1, position 7: backward_parameters of stage 1, micro-batch 2: it comes before micro-batch "
                      "1 (position 8)"));
  CHECK_THAT(halved([](row& r) { r[1].kind = backward; }),
             Contains("rank 1, position 4: backward_parameters of stage 1, micro-batch 0: position 1 (backward of "
                      "stage 1, micro-batch 0) does the backward pass of the parameters already"));
  CHECK_THAT(halved([](row& r) { r[3].kind = backward; }),
             Contains("rank 1, position 3: backward of stage 1, micro-batch 1: it comes before micro-batch 0 (position "
                      "4)"));
  CHECK_THAT(
      halved([](row& r) { std::swap(r[3], r[4]), std::swap(r[1], r[3]), std::swap(r[1], r[2]); }),
      Contains("backward_parameters of stage 1, micro-batch 0: it comes before the backward pass of the inputs"));
}

TEST_CASE("no schedule deadlocks where messages leave after their receives are posted", "[dist]") {
  require_law(1000, [] {
    const bool is_training = draw(0, 5) > 0;
    const bool is_setting = !is_training || draw(0, 2) == 1;
    const remat::schedule_table table = is_setting ? random_setting_table(is_training) : random_order_table();
    remat::schedule_terms terms{.is_training = is_training,
                                    .messages = random_messages(table.stages, is_training),
                                    .units = {draw(1, 4), draw(1, 4)},
                                    .receives = draw(0, 2) == 0 ? remat::posting::early : remat::posting::on_time};
    remat::check_schedule(table, terms);
  });
}

TEST_CASE("a rank that waits for ever for a message is named", "[dist]") {
  const remat::schedule_table table = schedule::one_f_one_b.make(2, 2);  // F0 F1 B0 B1; F0 B0 F1 B1
  remat::message_timetable times =
      remat::message_times(table, remat::nominal_clock(table), remat::neighbour_messages(2, true));
  times.times[times.index(0, 0)].wait = 1;  // rank 0 waits for its first send before it makes the second,
  times.times[times.index(0, 0)].post = 2;  // and rank 1 posts the receive too late
  times.times[times.index(0, 0)].consume = 2;
  times.times[times.index(0, 1)].consume = 0;
  remat::free_of_cost costs;
  const remat::core::list<remat::stuck_rank> stuck = remat::rendezvous_run(table, times, costs).run();
  REQUIRE(stuck.count() == 2);
  const std::string text = remat::stuck_text(stuck, table, times);
  CHECK_THAT(text,
             Contains("rank 0, position 1: forward of stage 0, micro-batch 1 waits for the receive of the message "
                      "of stage 0 to stage 1, micro-batch 0, which rank 1 has not posted"));
  CHECK_THAT(text, Contains("rank 1, position 0: forward of stage 1, micro-batch 0 waits for the message of stage 0 to "
                            "stage 1, micro-batch 1, which rank 0 has not sent"));
}

TEST_CASE("1,024 stages and 4,096 micro-batches are checked", "[dist][long]") {
  CHECK_NOTHROW(remat::check_schedule(schedule::one_f_one_b.make(1024, 4096)));
}

}  // namespace schedule_rules_tests
