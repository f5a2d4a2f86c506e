// SPDX-License-Identifier: MIT
// Random programs in random stages under random schedules: they run under rendezvous without deadlock, and no two
// regions of a rank that are alive at once overlap.
#include <remat/partition/pipeline_messages.hpp>
#include <remat/partition/rank_layout.hpp>
#include <remat/schedule/in_flight.hpp>
#include <remat/schedule/schedule.hpp>
#include <remat/schedule/schedule_rules.hpp>

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include <plan/random_programs.hpp>

#include <algorithm>
#include <vector>

namespace random_pipelines_tests {

using namespace random_programs;
using remat::pass_kind, remat::plan;

/// A region of a rank and the positions of its row in which it is used, without regard to what a layout makes of it.
struct used {
  std::size_t offset, bytes;
  int first, last;
};

/// What a layout must keep apart, from the times of the tasks and messages.
std::vector<used> regions_of(const remat::schedule_table& table, const remat::rank_layout& layout,
                             const std::vector<remat::laid_out_stage>& stages, std::size_t batch, const program& p,
                             const remat::core::list<remat::pipeline_message>& messages,
                             const remat::message_timetable& times) {
  const remat::task_positions positions(table);
  std::vector<used> found;
  for (std::size_t s = 0; s < stages.size(); ++s)
    for (int m = 0; m < table.microbatches; ++m) {
      const plan& made = *stages[s].plans[static_cast<std::size_t>(m)];
      const auto offsets = layout.offsets(s, static_cast<std::size_t>(m));
      // The task that runs an action.
      const auto task_of = [&](int action) {
        const auto section = static_cast<pass_kind>(made.steps.section_of(action));
        return positions.position_of(section, stages[s].stage, m);
      };
      for (int r = 0; r < made.region_of_port(0); ++r) {
        const std::size_t offset = offsets[static_cast<std::size_t>(r)], bytes = made.regions[r].bytes;
        int first = table.rows[positions.rank_of(stages[s].stage)].count(), last = -1;
        for (const remat::buffer& b : made.steps.buffers) {
          const remat::buffer& root = made.steps.buffers[b.allocation];
          if (b.region != r || b.bytes == 0) continue;
          first = std::min(first, task_of(root.first));
          last = std::max(last, task_of(root.last));
          if (made.regions[r].is_passing) RC_ASSERT(task_of(root.first) == task_of(root.last));
        }
        if (!made.regions[r].is_passing && last >= first) found.push_back({offset, bytes, first, last});
        for (int section = 0; made.regions[r].is_passing && section < made.steps.sections.count(); ++section) {
          const int task = positions.position_of(static_cast<pass_kind>(section), stages[s].stage, m);
          found.push_back({offset, bytes, task, task});
        }
      }
      for (int k = 0; k < made.ports.count(); ++k) {
        const remat::stage_port& here = made.ports[k];
        const pass_kind pass = here.is_gradient ? pass_kind::backward_input : pass_kind::forward;
        const int task_at = positions.position_of(pass, stages[s].stage, m);
        used u{offsets[static_cast<std::size_t>(made.region_of_port(k))], p.tensors[here.tensor].bytes(batch), task_at,
               task_at};
        for (const remat::buffer& b : made.steps.buffers)
          if (b.port == k) u.last = std::max(u.last, task_of(b.last));
        for (int i = 0; i < messages.count(); ++i) {
          if (messages[i].tensor != here.tensor || messages[i].is_gradient != here.is_gradient) continue;
          if (!times.is_sent(i)) {  // copied where the sender's task ends
            if (messages[i].to == stages[s].stage)
              u.first = std::min(u.first, positions.position_of(pass, messages[i].from, m));
            continue;
          }
          if (messages[i].to == stages[s].stage) u.first = std::min(u.first, times.at(i, m).post);
          if (messages[i].from == stages[s].stage) u.last = std::max(u.last, times.at(i, m).wait);
        }
        found.push_back(u);
      }
    }
  return found;
}

/// The schedules in turn; interleaved has several stages on each rank.
enum class kind { gpipe, one_f_one_b, interleaved, zero_bubble };

remat::schedule_table random_schedule(kind what, int stages, int& ranks) {
  ranks = what == kind::interleaved ? stages / 2 : stages;
  switch (what) {
    case kind::gpipe:
      return remat::schedule::gpipe.make(ranks, pick(1, 9));
    case kind::one_f_one_b:
      return remat::schedule::one_f_one_b.make(ranks, pick(1, 9));
    case kind::zero_bubble:
      return remat::schedule::zero_bubble.make(ranks, pick(1, 9));
    default:
      return remat::schedule::interleaved<2>.make(ranks, ranks * pick(1, 4));
  }
}

void check_pipelines(int pipelines) {
  std::size_t skips = 0, chained = 0, several = 0;
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = pipelines;
  int turn = 0;
  const auto result = rc::detail::checkTestable(
      [&] {
        const kind what = static_cast<kind>(turn++ % 4);
        random_program random = make_program(pick(6, 40));
        program& p = random.value;
        const int stages = what == kind::interleaved ? 2 * pick(1, 4) : pick(2, 7);  // of at least 6 operations
        cut_into_stages(p, stages);
        const program plain = p;
        add_checkpoints(p);
        int ranks = 1;
        const remat::schedule_table table = random_schedule(what, stages, ranks);
        several += ranks < stages ? 1u : 0u;
        const auto messages = remat::messages_of(p, stages, true);
        for (const remat::pipeline_message& m : messages) skips += m.to > m.from + 1 ? 1u : 0u;
        for (const remat::pipeline_message& m : messages) chained += m.is_gradient && m.from > m.to + 1 ? 1u : 0u;
        remat::check_schedule(table, {.messages = between_stages(messages)});

        const remat::message_timetable times =
            message_times(table, remat::nominal_clock(table), between_stages(messages));
        const remat::task_positions positions(table);
        const remat::core::list<int> kept = in_flight(table);
        for (int rank = 0; rank < ranks; ++rank) {
          std::vector<plan> plans;
          std::vector<remat::laid_out_stage> laid_out;
          plans.reserve(2 * static_cast<std::size_t>(stages));
          for (int s = 0; s < stages; ++s) {
            if (positions.rank_of(s) != rank) continue;
            remat::slice covered = remat::slice_of_stage(p, s, kept[s], true);
            covered.halves_backward = positions.halves_backward(s, 0);
            plans.push_back(remat::plan_training(p, 2, covered));
            std::vector<const plan*> of_microbatch(static_cast<std::size_t>(table.microbatches), &plans.back());
            if (chance(30)) {  // the last one is not checkpointed
              plans.push_back(remat::plan_training(plain, 2, covered));
              of_microbatch.back() = &plans.back();
            }
            laid_out.push_back({s, std::move(of_microbatch)});
          }
          const remat::rank_layout layout(table, rank, positions, messages, times, laid_out);
          const std::vector<used> regions = regions_of(table, layout, laid_out, 2, p, messages, times);
          for (std::size_t a = 0; a < regions.size(); ++a) {
            RC_ASSERT(regions[a].offset + regions[a].bytes <= layout.bytes());
            for (std::size_t b = 0; b < a; ++b) {
              if (regions[a].last < regions[b].first || regions[b].last < regions[a].first) continue;
              RC_ASSERT(regions[a].offset + regions[a].bytes <= regions[b].offset ||
                        regions[b].offset + regions[b].bytes <= regions[a].offset);
            }
          }
        }
      },
      rc::detail::TestMetadata(), params);
  INFO(result);
  REQUIRE(result.template is<rc::detail::SuccessResult>());
  WARN(skips << " values and " << chained << " gradients skip a stage; " << several
             << " pipelines have ranks of several stages");
  CHECK(skips > static_cast<std::size_t>(pipelines) / 4);
  CHECK(several == static_cast<std::size_t>(pipelines) / 4);
}

TEST_CASE("random pipelines run under rendezvous, and lay their memory out without overlaps") { check_pipelines(100); }
TEST_CASE("1,000 random pipelines run under rendezvous, and lay their memory out without overlaps", "[long]") {
  check_pipelines(1'000);
}

}  // namespace random_pipelines_tests
