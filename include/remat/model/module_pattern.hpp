// SPDX-License-Identifier: MIT
/// Modules by patterns of paths: `*` matches any characters of one part of a path, so that "h.*.mlp" is the mlp of
/// every block, and "layer*" is layer1 to layer4.
///
/// A program may be an outline: of the modules of a `repeat`, the second then represents those after it
/// (`module_node::alike`), so that an outline is no longer for 1,000 of them.
#pragma once

#include <remat/core/text.hpp>
#include <remat/core/text_pattern.hpp>
#include <remat/model/program.hpp>

#include <cstddef>
#include <string_view>

namespace remat::detail {

/// Modules next to one another: nodes from `begin` on, before `end`. Paths count them from `first` on.
struct siblings {
  int begin = 0, end = 0;
  int first = 0;
};

/// The parts of the model's paths begin with these; a loss is next to the model.
constexpr siblings first_level(const program& p) { return {1, p.nodes.count(), 0}; }
constexpr siblings children_of_node(const program& p, int n) { return {n + 1, p.nodes[n].end, 0}; }

constexpr std::string_view first_part(std::string_view path) { return path.substr(0, path.find('.')); }
constexpr std::string_view after_first_part(std::string_view path) {
  const std::size_t dot = path.find('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
}
constexpr std::string_view last_part(std::string_view path) { return path.substr(path.rfind('.') + 1); }
constexpr std::string_view before_last_part(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

/// A part of a pattern, read once for many modules.
class part_pattern {
 public:
  constexpr explicit part_pattern(std::string_view part)
      : part_(part), is_any_(part == "*"), has_star_(part.find('*') != std::string_view::npos), number_(read(part)) {}

  /// Whether it matches a module among its siblings, of which the first is counted as `first`. A loss must be named
  /// in full.
  constexpr bool matches(const module_node& n, int first) const {
    if (has_star_ && n.parent == core::none) return false;
    if (is_any_) return true;
    if (!n.name.empty()) return is_text_of_pattern(n.name, part_);
    const int position = n.position - first;
    if (!has_star_) return position <= number_ && number_ <= position + n.alike;
    for (int number = position; number <= position + n.alike; ++number)
      if (matches_number(number)) return true;
    return false;
  }
  /// Whether both match one of the numbers from `first` to `last`.
  friend constexpr bool match_one_of(const part_pattern& a, const part_pattern& b, int first, int last) {
    if (a.is_any_ && b.is_any_) return true;
    if (!a.has_star_) return first <= a.number_ && a.number_ <= last && b.matches_number(a.number_);
    if (!b.has_star_) return first <= b.number_ && b.number_ <= last && a.matches_number(b.number_);
    for (int number = first; number <= last; ++number)
      if (a.matches_number(number) && b.matches_number(number)) return true;
    return false;
  }

 private:
  /// The number that a part without a star is, or `none`.
  static constexpr int read(std::string_view part) {
    if (part.empty() || part.size() > 9 || (part[0] == '0' && part.size() > 1)) return core::none;
    int number = 0;
    for (const char c : part) {
      if (c < '0' || c > '9') return core::none;
      number = 10 * number + (c - '0');
    }
    return number;
  }
  constexpr bool matches_number(int number) const {
    if (is_any_) return true;
    if (!has_star_) return number == number_;
    core::text digits;
    digits += number;
    return is_text_of_pattern(digits.view(), part_);
  }

  std::string_view part_;
  bool is_any_, has_star_;
  int number_;
};

/// Calls `visit` for each module that a pattern of one part or more matches, among these and inside of them.
template <class Visit>
constexpr void each_of_pattern(const program& p, const siblings& some, std::string_view pattern, const Visit& visit) {
  const part_pattern part(first_part(pattern));
  const bool is_last = first_part(pattern).size() == pattern.size();
  for (int n = some.begin; n < some.end; n = p.nodes[n].end) {
    if (!part.matches(p.nodes[n], some.first)) continue;
    if (is_last)
      visit(n);
    else
      each_of_pattern(p, children_of_node(p, n), after_first_part(pattern), visit);
  }
}

/// Whether two patterns, which both match node n, do so for the same of the modules that it represents. They may
/// begin at different modules around it.
constexpr bool meet_in(const program& p, int n, std::string_view a, std::string_view b) {
  for (; !a.empty() && !b.empty() && n != core::none; n = p.nodes[n].parent) {
    const module_node& here = p.nodes[n];
    if (here.alike > 0 && !match_one_of(part_pattern(last_part(a)), part_pattern(last_part(b)), here.position,
                                            here.position + here.alike))
      return false;
    a = before_last_part(a);
    b = before_last_part(b);
  }
  return true;
}

}  // namespace remat::detail
