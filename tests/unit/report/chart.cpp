// SPDX-License-Identifier: MIT
// Charts: well-formed, with all that they are given; memory over time and bytes against time as charts and as CSV.
#include "report/occurrences.hpp"

#include <remat/report/memory_over_time.hpp>
#include <remat/report/pareto.hpp>

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <clocale>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace chart_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using remat::policy_point;

/// Tags that open close, all of them.
bool is_balanced(const std::string& svg) {
  return occurrences(svg, "<") == occurrences(svg, ">") && occurrences(svg, "<text") == occurrences(svg, "</text>") &&
         occurrences(svg, "<circle") == occurrences(svg, "</circle>") && svg.ends_with("</svg>\n");
}

TEST_CASE("a chart has its series, with words that may hold anything", "[report]") {
  const remat::chart drawn{"a < b & \"c\"",
                           "x",
                           "y",
                           {{"a line", remat::drawn_as::line, {{0, 1, ""}, {2, 3, "here"}}},
                            {"some <marks>", remat::drawn_as::marks, {{1, 1, ""}, {1, 2, ""}, {5, 2, ""}}}}};
  const std::string svg = remat::chart_svg(drawn);
  CHECK(is_balanced(svg));
  CHECK_THAT(svg, Contains("a &lt; b &amp; &quot;c&quot;") && Contains("some &lt;marks&gt;") &&
                      Contains("a line, here: 2, 3"));
  CHECK(occurrences(svg, "<circle") == 4);  // of a line, those that say something
  CHECK(is_balanced(remat::chart_svg({})));
  CHECK_THROWS_WITH(remat::chart_svg({.title = "", .x_title = "", .y_title = "", .width = 0}),
                    Contains("at least 1 pixel"));
}

TEST_CASE("points of budgets that no other beats in bytes and in time are a line", "[report]") {
  const std::vector<policy_point> points{{"budgets", "all", 100, 1.0},
                                         {"budgets", "half", 50, 1.2},
                                         {"budgets", "slower with more", 60, 1.3},
                                         {"peer", "each", 55, 1.4}};
  const std::vector<policy_point> front = remat::pareto_front({points.begin(), points.begin() + 3});
  REQUIRE(front.size() == 2);
  CHECK(front[0].policy == "half");
  CHECK(front[1].policy == "all");
  CHECK(remat::pareto_csv(points) ==
        "series,policy,bytes,seconds\nbudgets,all,100,1\nbudgets,half,50,1.2\nbudgets,slower with "
        "more,60,1.3\npeer,each,55,1.4\n");
  const remat::chart drawn = remat::pareto_chart("title", points, "budgets");
  REQUIRE(drawn.series.size() == 2);
  CHECK(drawn.series[0].points.size() == 2);
  CHECK(drawn.series[1].how == remat::drawn_as::marks);
  CHECK(is_balanced(remat::chart_svg(drawn)));
}

TEST_CASE("names in a picture may hold anything", "[report]") {
  const remat::chart odd{"\x1b[31m<&>\t", "x", "y", {{"s", remat::drawn_as::line, {{0.5, 1}}}}};
  CHECK_THAT(remat::chart_svg(odd), Contains("\xef\xbf\xbd[31m&lt;&amp;&gt;\t"));
}

TEST_CASE("numbers have points in every locale", "[report]") {
  const remat::chart drawn{"t", "x", "y", {{"s", remat::drawn_as::line, {{0.5, 1.25, "here"}, {7, 2}}}}};
  const std::string before = std::setlocale(LC_NUMERIC, nullptr), svg = remat::chart_svg(drawn);
  if (std::setlocale(LC_NUMERIC, "de_DE.UTF-8") == nullptr) {
    WARN("skipped: there is no locale de_DE.UTF-8");
    return;
  }
  CHECK_THAT(remat::pareto_csv({{"a", "b", 1, 0.5}}), Contains("a,b,1,0.5\n"));
  CHECK(remat::chart_svg(drawn) == svg);
  std::setlocale(LC_NUMERIC, before.c_str());
}

TEST_CASE("what has commas is one cell, and what is not finite is refused", "[report]") {
  const std::string csv = remat::pareto_csv({{"remat, budgets", "half", 1, 2}, {"\"x\"", "y", 1, 2}});
  CHECK_THAT(csv, Catch::Matchers::Contains("\n\"remat, budgets\",half,1,2\n\"\"\"x\"\"\",y,1,2\n"));
  for (const double odd : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN(), -1.0})
    CHECK_THROWS_WITH(remat::chart_svg({"t", "x", "y", {{"s", remat::drawn_as::line, {{odd, 1}}}}}),
                      Catch::Matchers::Contains("finite coordinates"));
  CHECK_THROWS_WITH(remat::pareto_front({{"a", "b", 1, 1}, {"a", "c", 1, std::numeric_limits<double>::quiet_NaN()}}),
                    Contains("the time of policy 'c' is nan"));
}

TEST_CASE("an axis that is too long or too short for marks has few", "[report]") {
  for (const double largest : {1.75e308, 1e300, 1e-300, 5e-324}) {
    const std::string svg = remat::chart_svg({"t", "x", "y", {{"s", remat::drawn_as::line, {{largest, largest}}}}});
    CHECK(is_balanced(svg));
    CHECK(occurrences(svg, "<text class=\"t\"") <= 15);
  }
}

TEST_CASE("the tape of a plan says what each action does and how much is alive", "[report]") {
  using net =
      remat::sequential<nn::linear<8, 8>, nn::tanh, nn::linear<8, 8>, nn::tanh, nn::linear<8, 2>, nn::log_softmax>;
  const remat::model<net, remat::tensor<float, 8>, nn::nll_loss> model{
      {.threads = 1, .checkpoints = {remat::checkpoint_at("")}}};
  const remat::plan_report planned = model.plan(64);
  const auto of_kind = [&](std::string_view kind) {
    return static_cast<std::size_t>(std::ranges::count(planned.tape(), kind, &remat::tape_row::kind));
  };
  CHECK(of_kind("forward") == planned.forward);
  CHECK(of_kind("recompute") == planned.recompute);
  CHECK(planned.recompute > 0);
  CHECK(of_kind("backward_input") + of_kind("backward_parameters") + of_kind("backward") == planned.backward);
  CHECK(std::ranges::max(planned.tape(), {}, &remat::tape_row::live_bytes).live_bytes == planned.live_bytes);
  const std::string csv = remat::memory_csv(planned);
  CHECK(occurrences(csv, "\n") == planned.tape().size() + 1);
  CHECK_THAT(csv, Contains(",forward,forward,0 linear,") && Contains(",backward,recompute,"));
  const remat::chart drawn = remat::memory_over_time({{"checkpointed", planned}});
  CHECK(drawn.series[0].points.size() == planned.tape().size());
  CHECK(is_balanced(remat::chart_svg(drawn)));
  CHECK_THAT(remat::chart_svg(drawn), Contains("checkpointed, backward: "));
}

}  // namespace chart_tests
