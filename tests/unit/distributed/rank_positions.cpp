// SPDX-License-Identifier: MIT
// What a rank that waits says of the others.
#include <remat/distributed/rank_positions.hpp>

#include <catch2/catch.hpp>

#include <chrono>

namespace rank_positions_tests {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using remat::call_kind, remat::call_position, remat::mpi::rank_positions;
using moment = rank_positions::clock::time_point;

call_position step(std::uint64_t number) {
  return {.kind = call_kind::training, .model = 1, .number = number, .calls = number + 1};
}

/// Rank 0 of five, in train_step 6.
rank_positions waiting_rank() {
  rank_positions made(0, 5);
  made.enter(step(5));
  made.enter(step(6));
  return made;
}

TEST_CASE("those who wait in one call are named together, next to each other or not", "[dist]") {
  rank_positions all = waiting_rank();
  const moment asked = moment() + 10s;
  const call_position predict{.kind = call_kind::prediction, .model = 1, .number = 1, .calls = 7};
  for (const int rank : {1, 3}) all[rank] = {.at = predict, .answered = asked + 1s};
  all[2] = {.at = step(6), .answered = asked + 1s};
  all[4] = {.at = step(5)};
  CHECK(all.text_of_wait(61.5, asked, nullptr) ==
        "rank 0 has waited 61 seconds in train_step 6; rank 4 has not come there since train_step 5, and is in user "
        "code or hangs; ranks 1 and 3 wait in predict 1; rank 2 waits in train_step 6");
}

TEST_CASE("after all have met, one that does not answer computes", "[dist]") {
  rank_positions all = waiting_rank();
  all.met();
  CHECK_THAT(all.text_of_wait(60, moment() + 1s, nullptr),
             Contains("ranks 1, 2, 3 and 4 are in this call or just after it, and compute or hang"));
  CHECK_THAT(
      all.text_of_wait(60, moment() + 1s, "the end of the program"),
      Contains("rank 0 has waited 60 seconds in the end of the program; ranks 1, 2, 3 and 4 have not come there"));
}

TEST_CASE("of those who have left, the lowest rank that is there tells, or a later one after a while", "[dist]") {
  rank_positions all = waiting_rank();
  const moment now = moment() + 100s;
  CHECK_FALSE(all.text_of_those_who_left(now));
  all[3] = {.at = step(6), .has_left = true, .left = now};  // it was in this call
  CHECK_FALSE(all.text_of_those_who_left(now));
  all[3].at = all[4].at = step(5);
  all[4].has_left = true;
  all[4].left = now;
  const auto told = all.text_of_those_who_left(now);
  REQUIRE(told);
  CHECK_THAT(*told,
             Contains("ranks 3 and 4 have left the program, after train_step 5, and rank 0 waits in train_step 6"));

  rank_positions higher(2, 5);
  higher.enter(step(6));
  higher[3] = {.at = step(5), .has_left = true, .left = now};
  CHECK_FALSE(higher.text_of_those_who_left(now + 3s));
  CHECK(higher.text_of_those_who_left(now + 5s));
}

}  // namespace rank_positions_tests
