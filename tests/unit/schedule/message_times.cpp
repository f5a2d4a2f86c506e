// SPDX-License-Identifier: MIT
// When messages are sent, received and waited for.
#include <remat/schedule/message_times.hpp>

#include <remat/schedule/message_slots.hpp>
#include <remat/schedule/schedule.hpp>

#include <catch2/catch.hpp>

#include "property.hpp"
#include "random_schedule.hpp"
#include "refusal.hpp"

#include <array>
#include <cstddef>
#include <span>

namespace message_times_tests {

namespace schedule = remat::schedule;
using Catch::Matchers::Contains;
using remat::posting, remat::pass_kind;

constexpr remat::message_time time_of(const remat::schedule_table& table, remat::stage_message message, int microbatch,
                                      posting when = posting::early) {
  return remat::message_times(table, remat::nominal_clock(table), {message}, when).at(0, microbatch);
}
constexpr auto four = [] { return schedule::one_f_one_b.make(4, 8); };
constexpr auto up = [](int s) { return remat::stage_message{s, s + 1, pass_kind::forward}; };
constexpr auto down = [](int s) { return remat::stage_message{s, s - 1, pass_kind::backward_input}; };

//                                             send post consume wait
// The first micro-batch meets a rank that waits for it.
static_assert(time_of(four(), up(0), 0) == remat::message_time{0, 0, 0, 2});
// In the steady state a receive is posted a task early, or right before the task that reads.
static_assert(time_of(four(), up(0), 4) == remat::message_time{5, 5, 6, 7});
static_assert(time_of(four(), up(0), 4, posting::on_time) == remat::message_time{5, 6, 6, 7});
static_assert(time_of(four(), down(3), 1) == remat::message_time{3, 3, 4, 5});
static_assert(time_of(four(), down(3), 1, posting::on_time) == remat::message_time{3, 4, 4, 5});
// The last gradient is waited for at the end of the row.
static_assert(time_of(four(), down(1), 7) == remat::message_time{15, 15, 15, 16});
// A skip over two ranks is received while they compute.
static_assert(time_of(four(), {0, 3, pass_kind::forward}, 1) == remat::message_time{1, 0, 2, 3});
// Between stages of one rank nothing is sent.
static_assert(time_of(schedule::interleaved<2>.make(1, 1), up(0), 0) == remat::message_time{});

TEST_CASE("messages keep to their definition", "[dist]") {
  require_law(300, [] {
    const remat::schedule_table table = random_order_table();
    const remat::schedule_clock clock = remat::nominal_clock(table);
    const posting when = draw(0, 2) == 0 ? posting::early : posting::on_time;
    const remat::message_timetable times =
        remat::message_times(table, clock, random_messages(table.stages, true), when);
    for (int i = 0; i < times.messages.count(); ++i) {
      const int sender = times.senders[i], receiver = times.receivers[i];
      RC_ASSERT(sender == table.rank_of(times.messages[i].from));
      RC_ASSERT(receiver == table.rank_of(times.messages[i].to));
      for (int m = 0; m < table.microbatches; ++m) {
        const remat::message_time t = times.at(i, m);
        if (sender == receiver) {
          RC_ASSERT(t == remat::message_time{});
          continue;
        }
        const remat::stage_message& message = times.messages[i];
        const auto does = [&](const remat::pipeline_task& each, int stage) {
          return each.stage == stage && each.microbatch == m && remat::rules_of(each.kind).does(message.made_by);
        };
        RC_ASSERT(does(table.rows[sender][t.send], message.from));
        RC_ASSERT(does(table.rows[receiver][t.consume], message.to));
        const long leaves = clock.ends[sender][t.send];
        const auto is_in_time = [&](int position) {
          const long reached = clock.reached(receiver, position);
          return when == posting::early ? reached < leaves : reached <= leaves;
        };
        RC_ASSERT(t.post <= t.consume);
        RC_ASSERT(is_in_time(t.post));
        RC_ASSERT((t.post == t.consume || !is_in_time(t.post + 1)));
        const int length = table.rows[sender].count();
        const long posted = clock.reached(receiver, t.post);
        RC_ASSERT((t.wait == length || (t.wait >= t.send + 2 && clock.begins[sender][t.wait] > posted)));
        for (int earlier = t.send + 2; earlier < t.wait; ++earlier) RC_ASSERT(clock.begins[sender][earlier] <= posted);
        if (m > 0) {  // in order, so that messages cannot overtake each other
          RC_ASSERT(times.at(i, m - 1).post <= t.post);
          RC_ASSERT(times.at(i, m - 1).consume < t.consume);
          RC_ASSERT(times.at(i, m - 1).wait <= t.wait);
        }
      }
    }
  });
}

TEST_CASE("every message is at its four positions", "[dist]") {
  require_law(300, [] {
    const remat::schedule_table table = random_order_table();
    const remat::message_timetable times =
        remat::message_times(table, remat::nominal_clock(table), random_messages(table.stages, true));
    const remat::message_slots slots(table, times);
    std::array<std::size_t, 4> found{};
    const auto check = [&](std::size_t kind, std::span<const int> messages, const remat::core::list<int>& ranks,
                           int rank, int position, int remat::message_time::*at) {
      int last = -1;
      for (const int i : messages) {
        RC_ASSERT(i > last);
        RC_ASSERT(ranks[i / times.microbatches] == rank);
        RC_ASSERT((times.times[i].*at == position));
        last = i;
      }
      found[kind] += messages.size();
    };
    for (int rank = 0; rank < table.ranks(); ++rank)
      for (int p = 0; p <= table.rows[rank].count(); ++p) {
        check(0, slots.posts(rank, p), times.receivers, rank, p, &remat::message_time::post);
        check(1, slots.waits(rank, p), times.senders, rank, p, &remat::message_time::wait);
        check(2, slots.reads(rank, p), times.receivers, rank, p, &remat::message_time::consume);
        check(3, slots.sends(rank, p), times.senders, rank, p, &remat::message_time::send);
      }
    std::size_t sent = 0;
    for (int i = 0; i < times.messages.count(); ++i)
      if (times.is_sent(i)) sent += static_cast<std::size_t>(times.microbatches);
    for (const std::size_t count : found) RC_ASSERT(count == sent);
  });
}

TEST_CASE("an early receive needs at most one buffer more in one_f_one_b", "[dist]") {
  for (int ranks = 2; ranks <= 8; ++ranks) {
    const remat::schedule_table table = schedule::one_f_one_b.make(ranks, 16);
    const remat::schedule_clock clock = remat::nominal_clock(table);
    const auto early = remat::message_times(table, clock, remat::neighbour_messages(ranks, true));
    const auto on_time = remat::message_times(table, clock, remat::neighbour_messages(ranks, true), posting::on_time);
    for (int i = 0; i < early.messages.count(); ++i) {
      CHECK(remat::receive_slots(on_time, i) == 1);
      CHECK(remat::receive_slots(early, i) <= 2);
      CHECK(remat::send_slots(early, i) <= 2);
      CHECK(remat::send_slots(on_time, i) <= 2);
    }
  }
}

TEST_CASE("messages that cannot be are refused", "[dist]") {
  const remat::schedule_table table = four();
  const auto refused = [&](remat::stage_message m) { return refusal([&] { time_of(table, m, 0); }); };
  CHECK_THAT(refused({0, 4, pass_kind::forward}),
             Contains("there is no message of stage 0 to stage 4; the stages are 0 to 3"));
  CHECK_THAT(refused({2, 1, pass_kind::forward}), Contains("a forward message goes to a later stage"));
  CHECK_THAT(refused({1, 1, pass_kind::backward_input}), Contains("there is no gradient of stage 1 to stage 1"));
  CHECK_THAT(refusal([&] { time_of(schedule::forward_only.make(4, 8), down(1), 0); }),
             Contains("gradient of stage 1 to stage 0: the schedule has no backward of stage 1, micro-batch 0"));
}

}  // namespace message_times_tests
