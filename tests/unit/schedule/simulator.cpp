// SPDX-License-Identifier: MIT
// The simulator: what can be calculated by hand, and laws that hold for all costs.
#include <remat/schedule/simulator.hpp>

#include <remat/schedule/schedule.hpp>

#include <catch2/catch.hpp>

#include "property.hpp"
#include "random_schedule.hpp"
#include "refusal.hpp"

#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <utility>

namespace simulate_tests {

namespace schedule = remat::schedule;
using Catch::Matchers::Contains;
using remat::activity;

constexpr remat::pipeline_costs alike(int stages, remat::stage_cost cost) {
  remat::pipeline_costs s;
  s.stages = remat::core::list<remat::stage_cost>(static_cast<std::size_t>(stages), cost);
  return s;
}
remat::pipeline_costs with_messages(remat::pipeline_costs s, double bytes, remat::network_link connection,
                                    bool is_training = true) {
  for (const remat::stage_message& m : remat::neighbour_messages(s.stages.count(), is_training))
    s.messages.push_back({m, bytes});
  s.connection = connection;
  return s;
}

static_assert(remat::simulate(schedule::one_f_one_b.make(2, 4), alike(2, {.forward = 1, .backward = 2})).seconds == 15);

remat::pipeline_costs random_simulation(int stages) {
  remat::pipeline_costs s;
  for (int i = 0; i < stages; ++i)
    s.stages.push_back({.forward = 1.0 * draw(0, 9),
                        .recompute = 1.0 * draw(0, 9),
                        .backward = 1.0 * draw(0, 9),
                        .update = 1.0 * draw(0, 9),
                        .gradient_bytes = 1.0 * draw(0, 9),
                        .backward_parameters = 1.0 * draw(0, 9)});
  for (const remat::stage_message& m : random_messages(stages, true)) s.messages.push_back({m, 1.0 * draw(0, 9)});
  s.connection = {.latency = 1.0 * draw(0, 3), .bytes_per_second = 2};
  s.transfers = draw(0, 2) == 0 ? remat::transfer::overlapped : remat::transfer::copied;
  s.early_recompute = draw(0, 2) == 0;
  s.recompute = draw(0, 4) > 0;
  s.replicas = draw(1, 4);
  s.overlapped_all_reduce = draw(0, 2) == 0;
  s.receives = draw(0, 2) == 0 ? remat::posting::early : remat::posting::on_time;
  s.has_timeline = true;
  return s;
}

TEST_CASE("equal stages without messages take (m + p - 1) passes", "[dist]") {
  for (const auto& setting : {schedule::gpipe, schedule::one_f_one_b})
    for (int ranks = 1; ranks <= 7; ++ranks)
      for (const int m : {1, 3, 8, 32})
        for (const auto& [forward, backward] : {std::pair{1.0, 1.0}, {1.0, 2.0}, {2.0, 1.0}, {1.0, 5.0}}) {
          const auto step =
              remat::simulate(setting.make(ranks, m), alike(ranks, {.forward = forward, .backward = backward}));
          CHECK(step.seconds == Approx((m + ranks - 1) * (forward + backward)));
          CHECK(step.bubble() == Approx((ranks - 1.0) / (m + ranks - 1)).margin(1e-12));
          CHECK(step.ranks[0].busy() == Approx(m * (forward + backward)));
        }
}

TEST_CASE("zero_bubble takes m passes of each kind and a bubble of what backward sends later than it must", "[dist]") {
  for (int ranks = 1; ranks <= 7; ++ranks)
    for (const int m : {8, 32}) {
      const auto step = remat::simulate(schedule::zero_bubble.make(ranks, m),
                                        alike(ranks, {.forward = 1, .backward = 1, .backward_parameters = 1}));
      CHECK(step.seconds == Approx(3 * m + ranks - 1));
      CHECK(step.ranks[ranks - 1].backward_parameters == Approx(ranks > 1 ? m : 0));
      const auto plain = remat::simulate(schedule::one_f_one_b.make(ranks, m),
                                         alike(ranks, {.forward = 1, .backward = 1, .backward_parameters = 1}));
      CHECK(plain.seconds == Approx(3 * (m + ranks - 1)));
    }
}

TEST_CASE("interleaved stages take (V m + p - 1) smaller passes", "[dist]") {
  for (int ranks = 2; ranks <= 4; ++ranks)
    for (int over = 2; over <= 3; ++over) {
      const auto table = schedule::interleaved<1>.over(over).make(ranks, 2 * ranks);
      const auto step = remat::simulate(table, alike(ranks * over, {.forward = 1, .backward = 2}));
      CHECK(step.seconds == Approx((over * 2 * ranks + ranks - 1) * 3));
    }
}

TEST_CASE("without costs of messages a step is the nominal clock", "[dist]") {
  require_law(300, [] {
    const remat::schedule_table table = random_order_table();
    const auto step =
        remat::simulate(table, alike(table.stages, {.forward = 1, .backward = 1, .backward_parameters = 1}));
    RC_ASSERT(step.seconds == static_cast<double>(remat::nominal_clock(table).length));
  });
}

TEST_CASE("a slow link is paid once a stage on the way", "[dist]") {
  const double time = 0.5 + 100 / 50.0;  // latency + bytes / bandwidth
  for (int ranks = 1; ranks <= 5; ++ranks) {
    const auto forward = remat::simulate(schedule::forward_only.make(ranks, 8),
                                         with_messages(alike(ranks, {.forward = 3}), 100, {0.5, 50}, false));
    CHECK(forward.seconds == Approx((8 + ranks - 1) * 3 + (ranks - 1) * time));
    const auto both = remat::simulate(schedule::gpipe.make(ranks, 8),
                                      with_messages(alike(ranks, {.forward = 3, .backward = 6}), 100, {0.5, 50}));
    CHECK(both.seconds == Approx((8 + ranks - 1) * 9 + 2 * (ranks - 1) * time));
  }
}

TEST_CASE("copied messages are paid by both ranks", "[dist]") {
  remat::pipeline_costs s = with_messages(alike(2, {.forward = 3, .backward = 6}), 100, {0.5, 50});
  s.transfers = remat::transfer::copied;
  const auto one = remat::simulate(schedule::one_f_one_b.make(2, 1), s);
  CHECK(one.seconds == Approx(2 * 3 + 2 * 6 + 2 * (0.5 + 2)));
  CHECK(one.ranks[0].copy == Approx(2 * 2));  // its output and its gradient
  const auto many = remat::simulate(schedule::one_f_one_b.make(2, 64), s);
  CHECK(many.seconds >= 64 * (3 + 6 + 2 * 2));
  s.transfers = remat::transfer::overlapped;
  CHECK(remat::simulate(schedule::one_f_one_b.make(2, 64), s).seconds < many.seconds);
}

TEST_CASE("early recomputation overlaps the gradient's way", "[dist]") {
  remat::pipeline_costs s = alike(2, {.forward = 1, .recompute = 1, .backward = 2});
  const auto early = remat::simulate(schedule::one_f_one_b.make(2, 1), s);
  CHECK(early.seconds == Approx(2 * 1 + 1 + 2 * 2));  // the first stage's is hidden, the last stage waits for nothing
  CHECK(early.hidden_recompute() == Approx(0.5));
  s.early_recompute = false;
  const auto late = remat::simulate(schedule::one_f_one_b.make(2, 1), s);
  CHECK(late.seconds == Approx(2 * 1 + 2 * 1 + 2 * 2));
  CHECK(late.hidden_recompute() == 0);
  s.recompute = false;
  CHECK(remat::simulate(schedule::one_f_one_b.make(2, 1), s).seconds == Approx(2 * 1 + 2 * 2));
}

TEST_CASE("micro-batches of a stage may cost differently", "[dist]") {
  const auto table = schedule::gpipe.make(2, 3);
  remat::pipeline_costs s = alike(2, {.forward = 1, .backward = 2});
  CHECK(remat::simulate(table, s).seconds == 12);  // 4 passes each way
  s.microbatches = {{}, {}};
  CHECK(remat::simulate(table, s).seconds == 12);
  // The first stage waits for 3 before its first micro-batch goes back, and computes for 1 of them before.
  s.microbatches[0] = remat::core::list<remat::stage_cost>(3, s.stages[0]);
  s.microbatches[0][0].recompute = 3;
  CHECK(remat::simulate(table, s).seconds == 12);
  s.microbatches[0][2].recompute = 1;  // its last one waits for nobody
  CHECK(remat::simulate(table, s).seconds == 13);
  s.microbatches[1] = remat::core::list<remat::stage_cost>(3, s.stages[1]);
  s.microbatches[1][1].forward = 2;
  CHECK(remat::simulate(table, s).seconds == 14);
}

TEST_CASE("gradients of replicas are summed in a ring, then the optimizer runs", "[dist]") {
  remat::pipeline_costs s =
      with_messages(alike(2, {.forward = 1, .backward = 2, .update = 0.25, .gradient_bytes = 12}), 0, {0.125, 6});
  s.replicas = 3;
  const double ring = 2 * 2 / 3.0 * 12 / 6 + 2 * 2 * 0.125, passes = (4 + 1) * 3 + 2 * 0.125;
  // Latency is hidden in the steady state: it is paid at the first message and at the last gradient.
  for (const bool overlapped : {true, false}) {
    s.overlapped_all_reduce = overlapped;
    const auto step = remat::simulate(schedule::gpipe.make(2, 4), s);
    CHECK(step.seconds == Approx(passes + ring + 0.25));
    CHECK(step.ranks[0].all_reduce == Approx(ring));
    CHECK(step.ranks[1].end < step.seconds);
  }
  s.replicas = 1;
  CHECK(remat::simulate(schedule::gpipe.make(2, 4), s).seconds == Approx(passes + 0.25));
}

TEST_CASE("an all-reduce overlaps with the backward passes of other stages", "[dist]") {
  remat::pipeline_costs s = alike(2, {.forward = 1, .backward = 2, .gradient_bytes = 4});
  s.connection.bytes_per_second = 2;
  s.replicas = 2;  // 2 seconds for each of the two stages of the rank
  const remat::schedule_table table = schedule::interleaved<2>.make(1, 1);
  CHECK(remat::simulate(table, s).seconds == Approx(2 * 3 + 2));
  s.overlapped_all_reduce = false;
  CHECK(remat::simulate(table, s).seconds == Approx(2 * 3 + 4));
}

TEST_CASE("simulated steps keep to what all costs have in common", "[dist]") {
  require_law(500, [] {
    const remat::schedule_table table = random_order_table();
    remat::pipeline_costs s = random_simulation(table.stages);
    const remat::simulated_step step = remat::simulate(table, s);

    std::map<std::pair<int, activity>, double> sums;
    std::map<int, double> until;  // on each rank's processors
    for (const remat::timeline_event& e : step.events) {
      RC_ASSERT(e.begin < e.end);
      RC_ASSERT(e.end <= step.seconds + 1e-9);
      sums[{e.rank, e.what}] += e.end - e.begin;
      if (e.what == activity::transfer || e.what == activity::all_reduce) continue;
      RC_ASSERT(e.begin >= until[e.rank] - 1e-9);
      until[e.rank] = e.end;
    }
    const auto is_sum = [&](int rank, activity what, double seconds) {
      return std::abs(sums[{rank, what}] - seconds) < 1e-9;
    };
    for (int rank = 0; rank < table.ranks(); ++rank) {
      const remat::rank_times& r = step.ranks[rank];
      RC_ASSERT(is_sum(rank, activity::forward, r.forward));
      RC_ASSERT(is_sum(rank, activity::recompute, r.recompute));
      RC_ASSERT(is_sum(rank, activity::backward, r.backward));
      RC_ASSERT(is_sum(rank, activity::backward_parameters, r.backward_parameters));
      RC_ASSERT(is_sum(rank, activity::update, r.update));
      RC_ASSERT(is_sum(rank, activity::copy, r.copy));
      RC_ASSERT(r.busy() <= r.end + 1e-9);
      RC_ASSERT(r.hidden <= r.recompute + 1e-9);
    }

    // What is saved anywhere makes no step longer.
    const auto is_no_faster = [&](const remat::pipeline_costs& other) {
      return remat::simulate(table, other).seconds >= step.seconds - 1e-9;
    };
    remat::pipeline_costs slower = s;
    slower.early_recompute = false;
    RC_ASSERT(is_no_faster(slower));
    slower = s;
    slower.recompute = true;
    RC_ASSERT(is_no_faster(slower));
    slower = s;
    slower.connection.latency += 1;
    RC_ASSERT(is_no_faster(slower));
    slower = s;
    slower.stages[draw(0, table.stages)].backward += 1;
    RC_ASSERT(is_no_faster(slower));
  });
}

TEST_CASE("early receives let transfers overlap computation", "[dist]") {
  remat::pipeline_costs s = with_messages(alike(4, {.forward = 3, .backward = 6}), 10, {0, 10});
  const remat::schedule_table table = schedule::one_f_one_b.make(4, 32);
  const double early = remat::simulate(table, s).seconds;
  s.receives = remat::posting::on_time;
  CHECK(early <= remat::simulate(table, s).seconds);
}

TEST_CASE("the simulator refuses what is no cost", "[dist]") {
  const remat::schedule_table table = schedule::gpipe.make(2, 2);
  const auto refused = [&](const auto& change) {
    remat::pipeline_costs s = with_messages(alike(2, {.forward = 1}), 1, {});
    change(s);
    return refusal([&] { remat::simulate(table, s); });
  };
  CHECK(refused([](auto&) {}) == "");
  CHECK_THAT(refused([](auto& s) { s.stages.push_back({}); }),
             Contains("simulate: there are costs of 3 stages, and the schedule has 2"));
  CHECK_THAT(refused([](auto& s) {
               s.microbatches = {{}, {{}, {}, {}, {}, {}, {}, {}}};
             }),
             Contains("simulate: there are costs of 7 micro-batches of stage 1, and the schedule has") &&
                 Contains("or none where they are alike"));
  CHECK_THAT(refused([](auto& s) { s.stages[1].forward = -1; }), Contains("at least 0"));
  CHECK_THAT(refused([](auto& s) { s.stages[1].update = std::numeric_limits<double>::quiet_NaN(); }),
             Contains("finite"));
  CHECK_THAT(refused([](auto& s) { s.messages[0].bytes = -1; }), Contains("at least 0"));
  CHECK_THAT(refused([](auto& s) { s.connection.bytes_per_second = 0; }), Contains("a bandwidth is above 0"));
  CHECK_THAT(refused([](auto& s) { s.replicas = 0; }), Contains("at least 1 replica"));
  CHECK_THAT(refused([](auto& s) { s.messages[0].message.to = 5; }),
             Contains("there is no message of stage 0 to stage 5"));
}

TEST_CASE("1,024 stages and 2,048 micro-batches are simulated", "[dist][long]") {
  const auto step = remat::simulate(schedule::one_f_one_b.make(1024, 2048),
                                    alike(1024, {.forward = 1, .recompute = 1, .backward = 2}));
  CHECK(step.seconds >= 2048 * 4);
  CHECK(step.seconds <= (2048 + 1023) * 4);
}

}  // namespace simulate_tests
