// SPDX-License-Identifier: MIT
/// The memory of a step over time: what is alive at each action of a plan's tape, as an SVG image and as CSV.
///
///     write_chart("memory.svg", memory_over_time({{"save_all", plain.plan(64)}, {"budget", model.plan(64)}}));
///     write_text_file("memory.csv", memory_csv(model.plan(64)));
#pragma once

#include <remat/plan/report.hpp>
#include <remat/report/chart.hpp>
#include <remat/report/csv_cell.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat {

inline constexpr std::string_view memory_csv_header = "action,section,kind,module,live_bytes";

/// A row for each action.
inline std::string memory_csv(const plan_report& planned) {
  std::string text = std::string(memory_csv_header) + "\n";
  std::size_t number = 0;
  for (const tape_row& each : planned.tape())
    text += std::to_string(number++) + "," + std::string(each.section) + "," + std::string(each.kind) + "," +
            detail::csv_cell(each.module) + "," + std::to_string(each.live_bytes) + "\n";
  return text;
}

/// A series for each plan. Time is the number of the action; where the backward pass begins is marked.
inline chart memory_over_time(const std::vector<std::pair<std::string, plan_report>>& plans,
                              std::string title = "memory over time") {
  chart made{std::move(title), "action; dots are where backward, or another section, begins", "bytes alive, MB"};
  for (const auto& [name, planned] : plans) {
    chart_series series{name, drawn_as::steps};
    for (const tape_row& each : planned.tape()) {
      const auto now = static_cast<double>(series.points.size());
      const bool begins = !series.points.empty() && each.section != planned.tape()[series.points.size() - 1].section;
      series.points.push_back(
          {now, static_cast<double>(each.live_bytes) / 1e6, begins ? std::string(each.section) : ""});
    }
    made.series.push_back(std::move(series));
  }
  return made;
}

}  // namespace remat
