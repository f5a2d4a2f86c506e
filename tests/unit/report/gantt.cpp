// SPDX-License-Identifier: MIT
// Timelines as images: well-formed, complete, and of a bounded size.
#include "report/occurrences.hpp"
#include "temporary_folder.hpp"

#include <remat/report/gantt.hpp>

#include <remat/schedule/schedule.hpp>
#include <remat/schedule/simulator.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gantt_tests {

using Catch::Matchers::Contains;

/// Every element that opens closes, in order.
bool is_well_formed(const std::string& text) {
  std::vector<std::string> open;
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at + 1)) {
    const std::size_t end = text.find('>', at);
    if (end == std::string::npos || text.find('<', at + 1) < end) return false;
    const std::string tag = text.substr(at + 1, end - at - 1), name = tag.substr(0, tag.find(' '));
    if (tag.ends_with('/')) continue;
    if (!tag.starts_with('/')) {
      open.push_back(name);
    } else {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    }
  }
  return open.empty();
}

remat::timeline events_of(const remat::schedule_table& table) {
  remat::pipeline_costs s;
  s.stages = remat::core::list<remat::stage_cost>(
      static_cast<std::size_t>(table.stages),
      {.forward = 0.01, .recompute = 0.01, .backward = 0.01, .update = 0.01, .backward_parameters = 0.01});
  s.connection.latency = 0.002;
  s.has_timeline = true;
  return remat::simulate(table, s).events;
}

TEST_CASE("a chart has a box for each task, a lane for each rank and a legend of what it shows", "[report]") {
  const std::string svg =
      remat::gantt_svg(events_of(remat::schedule::one_f_one_b.make(3, 4)), {.title = "1F1B, \"p\" < 4 & m > 3"});
  CHECK(is_well_formed(svg));
  CHECK_THAT(svg, Contains("1F1B, &quot;p&quot; &lt; 4 &amp; m &gt; 3"));
  CHECK(occurrences(svg, "<title>forward, stage ") == 12);
  CHECK(occurrences(svg, "<title>recompute, stage ") == 12);
  CHECK(occurrences(svg, "<title>backward, stage 1, micro-batch ") == 4);
  CHECK(occurrences(svg, "<title>optimizer, stage ") == 3);
  CHECK(occurrences(svg, "<title>transfer, stage ") == 16);
  for (const char* rank : {">rank 0<", ">rank 1<", ">rank 2<"}) CHECK_THAT(svg, Contains(rank));
  CHECK_THAT(svg, Contains(">forward<") && Contains(">wait<") && Contains(">0 ms<"));
  CHECK_THAT(svg, !Contains(">copy<"));  // there is none
}

TEST_CASE("a chart has a box of its own for the gradients of parameters where they are tasks of their own",
          "[report]") {
  const std::string svg = remat::gantt_svg(events_of(remat::schedule::zero_bubble.make(3, 4)));
  CHECK(is_well_formed(svg));
  CHECK(occurrences(svg, "<title>backward, stage 1, micro-batch ") == 4);
  CHECK(occurrences(svg, "<title>backward of parameters, stage 0, micro-batch ") == 0);
  CHECK(occurrences(svg, "<title>backward of parameters, stage 1, micro-batch ") == 4);
  CHECK(occurrences(svg, "<title>recompute, stage ") == 12);
  CHECK_THAT(svg, Contains(">backward of parameters<"));
}

TEST_CASE("boxes of ranks with several stages name the stage", "[report]") {
  CHECK_THAT(remat::gantt_svg(events_of(remat::schedule::interleaved<2>.make(2, 2))), Contains(">1.3</text>"));
  CHECK_THAT(remat::gantt_svg(events_of(remat::schedule::gpipe.make(2, 2))), Contains(">1</text>"));
}

TEST_CASE("a measured timeline begins where its first event does", "[report]") {
  const remat::timeline measured{
      {.rank = 1, .what = remat::activity::forward, .stage = 1, .microbatch = 0, .begin = 1e6, .end = 1e6 + 2},
      {.rank = 0, .what = remat::activity::wait, .begin = 1e6, .end = 1e6 + 1}};
  const std::string svg = remat::gantt_svg(measured);
  CHECK(is_well_formed(svg));
  CHECK_THAT(svg, Contains("forward, stage 1, micro-batch 0: 0 to 2 s") && Contains("wait: 0 to 1 s"));
}

TEST_CASE("a chart of nothing is a chart", "[report]") {
  CHECK(is_well_formed(remat::gantt_svg({})));
  CHECK(is_well_formed(remat::gantt_svg({{.begin = 1, .end = 1}})));
  CHECK(is_well_formed(remat::gantt_svg({{.begin = 1e9, .end = 1e9}})));  // to which a nanosecond adds nothing
  CHECK_THROWS_WITH(remat::gantt_svg({}, {.width = 0}), Catch::Matchers::Contains("at least 6; they are 0 and"));
  CHECK_THROWS_WITH(remat::gantt_svg({}, {.lane_height = 5}), Catch::Matchers::Contains("and 5"));
}

TEST_CASE("a lane has no more boxes than pixels", "[report]") {
  remat::timeline events;
  for (int i = 0; i < 100'000; ++i)
    events.push_back({.what = remat::activity::forward, .stage = 0, .microbatch = i, .begin = 1.0 * i, .end = i + 1.0});
  CHECK(occurrences(remat::gantt_svg(events, {.width = 500}), "<rect class") <= 501);
}

TEST_CASE("a chart is written to a file", "[report]") {
  const temporary_folder folder;
  const remat::timeline events = events_of(remat::schedule::gpipe.make(2, 2));
  remat::write_gantt(folder.path() / "step.svg", events);
  CHECK(temporary_folder::stored(folder.path() / "step.svg") == remat::gantt_svg(events));
}

}  // namespace gantt_tests
