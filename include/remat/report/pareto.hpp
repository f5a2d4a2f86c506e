// SPDX-License-Identifier: MIT
/// Bytes against time over policies: points that were measured or predicted, as an SVG image and as CSV. Of a series of
/// budgets the points that no other beats in both are a line.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/is_at_least_0.hpp>
#include <remat/report/chart.hpp>
#include <remat/report/csv_cell.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat {

struct policy_point {
  std::string series;  ///< "remat, budgets"
  std::string policy;  ///< "budget of 40 %"
  std::size_t bytes = 0;
  double seconds = 0;
};

/// In the order of their bytes, those that take less time than all with fewer: of equal ones, the first. Throws `error`
/// for a time that is no number.
inline std::vector<policy_point> pareto_front(std::vector<policy_point> points) {
  for (const policy_point& each : points)
    if (!detail::is_at_least_0(each.seconds))
      throw error("the time of policy '" + each.policy + "' is " + std::to_string(each.seconds) +
                  "; a time is finite and not below 0");
  std::ranges::sort(points, [](const policy_point& a, const policy_point& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.seconds < b.seconds;
  });
  std::vector<policy_point> front;
  for (policy_point& each : points)
    if (front.empty() || each.seconds < front.back().seconds) front.push_back(std::move(each));
  return front;
}

inline constexpr std::string_view pareto_csv_header = "series,policy,bytes,seconds";

/// A row for each point.
inline std::string pareto_csv(const std::vector<policy_point>& points) {
  std::string text = std::string(pareto_csv_header) + "\n";
  for (const policy_point& each : points) {
    const detail::c_locale with_points;
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.6g", each.seconds);
    text += detail::csv_cell(each.series) + "," + detail::csv_cell(each.policy) + "," + std::to_string(each.bytes) +
            "," + seconds + "\n";
  }
  return text;
}

/// A series of its own for each that points name, in the order in which they come; the one of this name is a line.
inline chart pareto_chart(std::string title, const std::vector<policy_point>& points, std::string_view line) {
  chart made{std::move(title), "bytes, MB", "a step, ms"};
  std::vector<std::string> names;
  for (const policy_point& each : points)
    if (std::ranges::find(names, each.series) == names.end()) names.push_back(each.series);
  for (const std::string& name : names) {
    std::vector<policy_point> mine;
    for (const policy_point& each : points)
      if (each.series == name) mine.push_back(each);
    chart_series series{name, name == line ? drawn_as::line : drawn_as::marks};
    for (policy_point& each : name == line ? pareto_front(std::move(mine)) : mine)
      series.points.push_back({static_cast<double>(each.bytes) / 1e6, each.seconds * 1e3, std::move(each.policy)});
    made.series.push_back(std::move(series));
  }
  return made;
}

}  // namespace remat
