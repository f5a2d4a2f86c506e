// SPDX-License-Identifier: MIT
/// A timeline drawn as a Gantt chart: an SVG image that needs nothing else, with a lane for each rank.
///
///     remat::write_gantt("step.svg", simulated.events, {.title = "1F1B, 4 ranks"});
///
/// Boxes are coloured by what the rank does and carry the micro-batch ("3", or "3.1" for stage 1 where a rank has
/// several); pointing at one shows its times. What runs next to processors is a thin line under the boxes. Boxes
/// that are too narrow to be seen are left out, so that an image has some thousand boxes a lane at most.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/text_file.hpp>
#include <remat/report/svg_text.hpp>
#include <remat/schedule/timeline.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

namespace remat {

struct gantt_options {
  std::string title = "";
  int width = 1600;      ///< of the lanes, in pixels
  int lane_height = 26;  ///< in pixels
};

namespace detail {

class gantt_chart {
  static constexpr int line_height = 4;  // of what goes on next to tasks, under their boxes

 public:
  gantt_chart(const timeline& events, const gantt_options& options)
      : options_(options), events_(events.begin(), events.end()) {
    if (options.width < 1 || options.lane_height <= line_height + 1)
      throw error("a chart's width is at least 1 pixel, and its lane_height at least 6; they are " +
                  std::to_string(options.width) + " and " + std::to_string(options.lane_height));
    std::ranges::sort(events_, {}, [](const timeline_event& e) {
      return std::tuple(e.rank, e.begin, e.end, e.what, e.stage, e.microbatch);
    });
    if (events_.empty()) return;
    begin_ = end_ = events_.front().begin;
    int stages_of_rank = -1;
    for (std::size_t i = 0; i < events_.size(); ++i) {
      const timeline_event& e = events_[i];
      begin_ = std::min(begin_, e.begin);
      end_ = std::max(end_, e.end);
      if (i == 0 || e.rank != events_[i - 1].rank) stages_of_rank = -1;
      if (!is_task(e)) continue;
      has_stages_ = has_stages_ || (stages_of_rank >= 0 && stages_of_rank != e.stage);
      stages_of_rank = e.stage;
    }
    ranks_ = std::max(events_.back().rank + 1, 1);
    if (end_ <= begin_) end_ = std::max(begin_ + 1e-9, std::nextafter(begin_, std::numeric_limits<double>::infinity()));
  }

  std::string svg() {
    const double height = top + ranks_ * (options_.lane_height + gap) + 70;
    add("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" font-family=\"sans-serif\" "
        "font-size=\"11\">\n",
        left + options_.width + 40, height);
    out_.add_text(
        "<style>text{fill:#222}.n{fill:#fff;text-anchor:middle;pointer-events:none}.r{text-anchor:end}.t{text-anchor:"
        "middle}");
    for (int i = 0; i < activities; ++i) add(".a%d{fill:%s}", i, activity_table[i].colour);
    out_.add_text("</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    add("<text x=\"%d\" y=\"20\" font-size=\"14\">", left);
    out_.add_escaped(options_.title);
    add("</text>\n");
    draw_axis();
    for (int rank = 0; rank < ranks_; ++rank) {
      add("<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\" fill=\"#f4f4f4\"/>", left, lane(rank), options_.width,
          options_.lane_height);
      add("<text class=\"r\" x=\"%d\" y=\"%.1f\">rank %d</text>\n", left - 8,
          lane(rank) + options_.lane_height / 2.0 + 4, rank);
    }
    draw_events();
    draw_legend();
    return out_.text() + "</svg>\n";
  }

 private:
  static constexpr int left = 70, top = 40, gap = 6;

  static bool is_task(const timeline_event& e) { return rules_of(e.what).is_task; }
  static bool overlaps(const timeline_event& e) { return rules_of(e.what).overlaps; }
  double lane(int rank) const { return top + rank * (options_.lane_height + gap); }
  double x_of(double time) const { return left + (time - begin_) / (end_ - begin_) * options_.width; }

  template <class... Values>
  void add(const char* format, Values... values) {
    out_.add(format, values...);
  }

  struct unit {
    double seconds;
    const char* name;
  };
  unit unit_of(double seconds) const {
    return seconds >= 1 ? unit{1, "s"} : seconds >= 1e-3 ? unit{1e-3, "ms"} : unit{1e-6, "\xC2\xB5s"};
  }

  /// About ten marks at 1, 2 or 5 times a power of ten.
  void draw_axis() {
    const double length = end_ - begin_, step = mark_distance(length, 10);
    const double bottom = lane(ranks_);
    const unit u = unit_of(length);
    for (int i = 0; i * step <= length * (1 + 1e-9); ++i) {
      const double x = x_of(begin_ + i * step);
      add("<path d=\"M%.2f %dV%.1f\" stroke=\"#ccc\"/>", x, top - 4, bottom);
      add("<text class=\"t\" x=\"%.2f\" y=\"%.1f\">%.6g %s</text>\n", x, bottom + 14, i * step / u.seconds, u.name);
    }
  }

  void draw_events() {
    double drawn[2] = {0, 0};  // up to where, on the lane and next to it
    for (std::size_t i = 0; i < events_.size(); ++i) {
      const timeline_event& e = events_[i];
      if (i == 0 || e.rank != events_[i - 1].rank) drawn[0] = drawn[1] = 0;
      if (e.rank < 0 || !(e.end > e.begin)) continue;
      const double from = x_of(e.begin), to = x_of(e.end);
      double& until = drawn[overlaps(e) ? 1 : 0];
      if (to - until < 1) continue;
      until = to;
      draw(e, from, to - from);
    }
  }
  void draw(const timeline_event& e, double x, double width) {
    const double line = line_height, box = options_.lane_height - line - 1;
    const double y = lane(e.rank) + (overlaps(e) ? box + 1 : 0);
    add("<rect class=\"a%d\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\"", static_cast<int>(e.what), x, y,
        width, overlaps(e) ? line : box);
    if (width < 3) {
      out_.add_text("/>\n");
      return;
    }
    out_.add_text(is_task(e) ? " stroke=\"#fff\" stroke-width=\"0.6\"><title>" : "><title>");
    out_.add_text(activity_name(e.what));
    if (e.stage >= 0) add(", stage %d", e.stage);
    if (e.microbatch >= 0) add(", micro-batch %d", e.microbatch);
    const unit u = unit_of(end_ - begin_);
    add(": %.4g to %.4g %s</title></rect>", (e.begin - begin_) / u.seconds, (e.end - begin_) / u.seconds, u.name);
    if (is_task(e) && e.microbatch >= 0) {
      std::string label = std::to_string(e.microbatch);
      if (has_stages_) label += "." + std::to_string(e.stage);
      const auto letters = static_cast<double>(label.size());
      if (width > 5.5 * letters + 2)
        add("<text class=\"n\" x=\"%.2f\" y=\"%.1f\"%s>%s</text>", x + width / 2, y + box / 2 + 4,
            width > 7 * letters + 2 ? "" : " font-size=\"9\"", label.c_str());
    }
    out_.add_text("\n");
  }

  /// What the timeline has.
  void draw_legend() {
    double totals[activities] = {};
    for (const timeline_event& e : events_) totals[static_cast<int>(e.what)] += e.end - e.begin;
    const double y = lane(ranks_) + 34;
    double x = left;
    for (int i = 0; i < activities; ++i) {
      if (totals[i] <= 0) continue;
      const auto name = std::string(activity_name(static_cast<activity>(i)));
      add("<rect class=\"a%d\" x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"12\"/>", i, x, y);
      add("<text x=\"%.1f\" y=\"%.1f\">%s</text>\n", x + 19, y + 10, name.c_str());
      x += 46 + 6.5 * static_cast<double>(name.size());
    }
  }

  gantt_options options_;
  std::vector<timeline_event> events_;
  double begin_ = 0, end_ = 1;
  int ranks_ = 0;
  bool has_stages_ = false;
  svg_text out_;
};

}  // namespace detail

/// The chart as the text of an SVG image.
inline std::string gantt_svg(const timeline& events, const gantt_options& options = {}) {
  return detail::gantt_chart(events, options).svg();
}

/// Writes the chart; an older file stays as it was where this fails.
inline void write_gantt(const std::filesystem::path& path, const timeline& events, const gantt_options& options = {}) {
  write_text_file(path, gantt_svg(events, options));
}

}  // namespace remat
