// SPDX-License-Identifier: MIT
/// A chart of numbers over numbers: series as lines, steps or marks, drawn as an SVG image that needs nothing else.
/// (report/memory_over_time.hpp and report/pareto.hpp make some.)
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/text_file.hpp>
#include <remat/report/svg_text.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace remat {

struct chart_point {
  double x = 0, y = 0;
  std::string label = {};  ///< shown where one points at it
};

enum class drawn_as { marks, line, steps };

struct chart_series {
  std::string name;
  drawn_as how = drawn_as::line;
  std::vector<chart_point> points = {};
};

struct chart {
  std::string title, x_title, y_title;
  std::vector<chart_series> series = {};
  int width = 900, height = 500;  ///< of the plot, in pixels
};

namespace detail {

class chart_drawing {
 public:
  explicit chart_drawing(const chart& drawn) : drawn_(drawn) {
    if (drawn.width < 1 || drawn.height < 1)
      throw error("a chart's width and height are at least 1 pixel; they are " + std::to_string(drawn.width) + " and " +
                  std::to_string(drawn.height));
    for (const chart_series& each : drawn.series)
      for (const chart_point& p : each.points) {
        if (!std::isfinite(p.x) || !std::isfinite(p.y) || p.x < 0 || p.y < 0)
          throw error("a chart's points have finite coordinates of at least 0; '" + each.name + "' has one at " +
                      std::to_string(p.x) + ", " + std::to_string(p.y));
        largest_x_ = std::max(largest_x_, p.x);
        largest_y_ = std::max(largest_y_, p.y);
      }
    if (!(largest_x_ > 0)) largest_x_ = 1;
    if (!(largest_y_ > 0)) largest_y_ = 1;
    largest_x_ *= 1.02, largest_y_ *= 1.05;
  }

  std::string svg() {
    const std::size_t rows = (drawn_.series.size() + per_row - 1) / per_row;
    out_.add(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
        "font-size=\"11\">\n",
        left + drawn_.width + 40, top + drawn_.height + 56 + 18 * static_cast<int>(rows));
    out_.add_text(
        "<style>text{fill:#222}.r{text-anchor:end}.t{text-anchor:middle}</style>\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    out_.add("<text x=\"%d\" y=\"20\" font-size=\"14\">", left);
    out_.add_escaped(drawn_.title);
    out_.add_text("</text>\n");
    draw_axes();
    for (std::size_t k = 0; k < drawn_.series.size(); ++k) draw(drawn_.series[k], colours[k % std::size(colours)]);
    draw_legend();
    out_.add_text("</svg>\n");
    return out_.text();
  }

 private:
  static constexpr int left = 80, top = 40;
  static constexpr std::size_t per_row = 4;
  static constexpr const char* colours[] = {"#1f5fa8", "#d1495b", "#2e8b57", "#edae49",
                                            "#7b4fa3", "#3d3d3d", "#00798c", "#a0522d"};

  double x_of(double x) const { return left + x / largest_x_ * drawn_.width; }
  double y_of(double y) const { return top + (1 - y / largest_y_) * drawn_.height; }

  void draw_axes() {
    const double bottom = y_of(0), right = left + drawn_.width;
    for (double x = 0, step = mark_distance(largest_x_, 10); x <= largest_x_; x += step) {
      out_.add("<path d=\"M%.2f %dV%.1f\" stroke=\"#e4e4e4\"/>", x_of(x), top, bottom);
      out_.add("<text class=\"t\" x=\"%.2f\" y=\"%.1f\">%.6g</text>\n", x_of(x), bottom + 14, x);
    }
    for (double y = 0, step = mark_distance(largest_y_, 8); y <= largest_y_; y += step) {
      out_.add("<path d=\"M%d %.2fH%.1f\" stroke=\"#e4e4e4\"/>", left, y_of(y), right);
      out_.add("<text class=\"r\" x=\"%d\" y=\"%.2f\">%.6g</text>\n", left - 6, y_of(y) + 4, y);
    }
    out_.add("<text class=\"t\" x=\"%.1f\" y=\"%.1f\">", left + drawn_.width / 2.0, bottom + 32);
    out_.add_escaped(drawn_.x_title);
    const double middle = top + drawn_.height / 2.0;
    out_.add("</text><text class=\"t\" x=\"16\" y=\"%.1f\" transform=\"rotate(-90 16 %.1f)\">", middle, middle);
    out_.add_escaped(drawn_.y_title);
    out_.add_text("</text>\n");
  }

  void draw(const chart_series& s, const char* colour) {
    if (s.how != drawn_as::marks && !s.points.empty()) {
      out_.add("<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" d=\"", colour);
      for (std::size_t i = 0; i < s.points.size(); ++i) {
        const chart_point& p = s.points[i];
        if (i > 0 && s.how == drawn_as::steps) out_.add("H%.2f", x_of(p.x));
        out_.add("%s%.2f %.2f", i == 0 ? "M" : "L", x_of(p.x), y_of(p.y));
      }
      out_.add_text("\"/>\n");
    }
    for (const chart_point& p : s.points) {
      if (s.how != drawn_as::marks && p.label.empty()) continue;
      out_.add("<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%d\" fill=\"%s\"><title>", x_of(p.x), y_of(p.y),
               s.how == drawn_as::marks ? 4 : 3, colour);
      out_.add_escaped(s.name);
      if (!p.label.empty()) out_.add_escaped(", " + p.label);
      out_.add(": %.6g, %.6g</title></circle>\n", p.x, p.y);
    }
  }

  void draw_legend() {
    for (std::size_t k = 0; k < drawn_.series.size(); ++k) {
      const double x = left + static_cast<double>(k % per_row) * drawn_.width / static_cast<double>(per_row);
      const double y = top + drawn_.height + 44 + 18 * static_cast<double>(k / per_row);
      out_.add("<rect x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"12\" fill=\"%s\"/>", x, y,
               colours[k % std::size(colours)]);
      out_.add("<text x=\"%.1f\" y=\"%.1f\">", x + 19, y + 10);
      out_.add_escaped(drawn_.series[k].name);
      out_.add_text("</text>\n");
    }
  }

  const chart& drawn_;
  double largest_x_ = 0, largest_y_ = 0;
  svg_text out_;
};

}  // namespace detail

/// The chart as the text of an SVG image. Both axes begin at 0.
inline std::string chart_svg(const chart& drawn) { return detail::chart_drawing(drawn).svg(); }

/// Writes the chart; an older file stays as it was where this fails.
inline void write_chart(const std::filesystem::path& path, const chart& drawn) {
  write_text_file(path, chart_svg(drawn));
}

}  // namespace remat
