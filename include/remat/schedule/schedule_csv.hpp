// SPDX-License-Identifier: MIT
/// A schedule as a table of comma-separated values, to be looked at, changed and read back.
///
///     rank,position,kind,stage,microbatch
///     0,0,forward,0,0
///     0,1,forward,0,1
///
/// Kinds are forward and backward; or, of a backward pass in two tasks, backward_input and backward_parameters. Lines
/// may be in any order; positions of a rank count from 0 without gaps. Stages and micro-batches are as many as the
/// largest numbers say. Reading checks no more than this: `check_schedule` says whether a schedule can run.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/shown_text.hpp>
#include <remat/core/text_file.hpp>
#include <remat/schedule/schedule_table.hpp>
#include <remat/schedule/task_text.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

namespace remat {

inline constexpr std::string_view schedule_csv_header = "rank,position,kind,stage,microbatch";

/// A schedule's table as text.
inline std::string schedule_csv(const schedule_table& table) {
  std::string text = std::string(schedule_csv_header) + "\n";
  for (int rank = 0; rank < table.ranks(); ++rank)
    for (int position = 0; position < table.rows[rank].count(); ++position) {
      const pipeline_task& t = table.rows[rank][position];
      text += std::to_string(rank) + "," + std::to_string(position) + "," + std::string(rules_of(t.kind).name) + "," +
              std::to_string(t.stage) + "," + std::to_string(t.microbatch) + "\n";
    }
  return text;
}

namespace detail {

/// Reads the lines of a schedule; an error names the file and the line.
class schedule_reader {
 public:
  schedule_reader(std::string_view text, std::string name) : text_(text), name_(std::move(name)) {}

  schedule_table read() {
    bool has_header = false;
    while (!text_.empty()) {
      const std::string_view line = next_line();
      if (line.empty()) continue;
      if (!has_header) {
        if (line != schedule_csv_header)
          refuse(line, "the first line must be '" + std::string(schedule_csv_header) + "'");
        has_header = true;
      } else {
        rows_.push_back(row_of(line));
      }
    }
    if (!has_header)
      throw data_error(name_, "is empty; the first line must be '" + std::string(schedule_csv_header) + "'");
    if (rows_.empty()) throw data_error(name_, "has no tasks; a line is like 0,0,forward,0,0");
    return sorted();
  }

 private:
  static constexpr int largest = 999'999'999;
  struct row {
    int rank, position;
    pipeline_task what;
    int line;
  };

  std::string_view next_line() {
    ++line_;
    const std::size_t end = std::min(text_.find('\n'), text_.size());
    std::string_view line = text_.substr(0, end);
    text_.remove_prefix(std::min(end + 1, text_.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  row row_of(std::string_view line) const {
    std::array<std::string_view, 5> fields;
    std::size_t count = 0, begin = 0;
    for (std::size_t end = 0; end != line.size(); begin = end + 1, ++count) {
      end = std::min(line.find(',', begin), line.size());
      if (count < fields.size()) fields[count] = line.substr(begin, end - begin);
    }
    if (count != fields.size())
      refuse(line, "it has " + std::to_string(count) + " fields and must have 5, like 0,0,forward,0,0");
    const task_kind kind = kind_of(line, fields[2]);
    return {number(line, "rank", fields[0]),
            number(line, "position", fields[1]),
            {kind, number(line, "stage", fields[3]), number(line, "microbatch", fields[4])},
            line_};
  }

  task_kind kind_of(std::string_view line, std::string_view field) const {
    const auto found = std::ranges::find(task_table, field, &task_rules::name);
    if (found != std::end(task_table)) return static_cast<task_kind>(found - std::begin(task_table));
    std::string names;
    for (std::size_t k = 0; k < std::size(task_table); ++k)
      names += (k == 0 ? "" : k + 1 == std::size(task_table) ? " or " : ", ") + std::string(task_table[k].name);
    refuse(line, "the kind is '" + shown_text(field) + "' and must be " + names);
  }

  int number(std::string_view line, const char* column, std::string_view field) const {
    int value = -1;
    const auto [end, failed] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (failed != std::errc{} || end != field.data() + field.size() || value < 0 || value > largest)
      refuse(line, std::string(column) + " is '" + shown_text(field) + "' and must be a whole number from 0 to " +
                       std::to_string(largest));
    return value;
  }

  schedule_table sorted() {
    std::ranges::sort(rows_, {}, [](const row& r) { return std::tuple(r.rank, r.position, r.line); });
    schedule_table table;
    for (const row& r : rows_) {
      if (r.rank > table.ranks() || (r.rank == table.ranks() && r.position > 0) ||
          (r.rank < table.ranks() && r.position > table.rows[r.rank].count()))
        refuse_gap(r, table);
      if (r.rank < table.ranks() && r.position < table.rows[r.rank].count()) refuse_twice(r);
      if (r.rank == table.ranks()) table.rows.push_back({});
      table.rows[r.rank].push_back(r.what);
      table.stages = std::max(table.stages, r.what.stage + 1);
      table.microbatches = std::max(table.microbatches, r.what.microbatch + 1);
    }
    return table;
  }

  [[noreturn]] void refuse(std::string_view line, const std::string& complaint) const {
    throw data_error(name_, "line " + std::to_string(line_) + " '" + shown_text(line) + "': " + complaint);
  }
  [[noreturn]] void refuse_gap(const row& r, const schedule_table& table) const {
    const int last = table.ranks() - 1;
    const bool is_next_rank = r.rank >= table.ranks();
    const std::string missing = is_next_rank ? place_text(last + 1, 0) : place_text(r.rank, table.rows[r.rank].count());
    throw data_error(name_, "line " + std::to_string(r.line) + " is " + place_text(r.rank, r.position) +
                                ", and no line is " + missing + "; ranks and positions count from 0 without gaps");
  }
  [[noreturn]] void refuse_twice(const row& r) const {
    const auto first = std::ranges::find_if(
        rows_, [&](const row& other) { return other.rank == r.rank && other.position == r.position; });
    throw data_error(name_, "lines " + std::to_string(first->line) + " and " + std::to_string(r.line) + " are both " +
                                place_text(r.rank, r.position) + "; each is there once");
  }

  std::string_view text_;
  std::string name_;
  int line_ = 0;
  std::vector<row> rows_;
};

}  // namespace detail

/// A schedule's table from text; `name` is in front of a complaint. Throws `data_error` with the number and the
/// text of the line that is malformed.
inline schedule_table parse_schedule(std::string_view text, std::string name = "schedule") {
  return detail::schedule_reader(text, std::move(name)).read();
}

/// A schedule's table from a file.
inline schedule_table read_schedule(const std::filesystem::path& path) {
  return parse_schedule(read_text_file(path), path.string());
}

/// Writes a schedule's table; an older file stays as it was where this fails. A rank without tasks is not written.
inline void write_schedule(const std::filesystem::path& path, const schedule_table& table) {
  write_text_file(path, schedule_csv(table));
}

}  // namespace remat
