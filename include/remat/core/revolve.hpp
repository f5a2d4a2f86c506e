// SPDX-License-Identifier: MIT
/// `revolve`: the binomial schedule of a uniform chain (Griewank and Walther 2000, "Algorithm 799: revolve", ACM TOMS
/// 26).
///
///     checkpoint<repeat<1'000, step>, revolve<8>>     // at most 8 inputs of links wait at any time
///     checkpoint_at("steps", revolve{slots})          // the same as a value
///
/// Of all schedules that keep `slots` inputs of links (that of the chain among them) and nothing else, none runs fewer
/// links forward: `binomial_forward_steps(links, slots)`, the first pass and the last one of each link before its
/// backward pass included. Segments nest: the inputs of the outermost ones wait first; when the backward pass arrives
/// at one, it is computed again, and the slots of those that are done are used within it. A link whose backward pass
/// reads nothing that it makes itself, or makes last, has no last pass, or a part of one.
///
/// Where a link saves about as much as its input is, `budget` runs fewer steps in the same memory, since it may keep
/// that, too. A chain is uniform where its children are the same modules.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/policy.hpp>

#include <concepts>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace remat {

namespace detail {

/// slots + repeats over slots: the most links that this many slots reverse where none is run again more than `repeats`
/// times. What is more than a number holds is the largest number.
constexpr std::size_t most_links(std::size_t slots, std::size_t repeats) {
  constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();
  const std::size_t less = slots < repeats ? slots : repeats, more = slots < repeats ? repeats : slots;
  std::size_t found = 1;
  for (std::size_t k = 1; k <= less; ++k) {
    if (found > largest / (more + k)) return largest;
    found = found * (more + k) / k;
  }
  return found;
}

/// How often a link is run again at most.
constexpr std::size_t fewest_repeats(std::size_t links, std::size_t slots) {
  if (slots > links) slots = links;  // more are of no use
  std::size_t repeats = 0;
  for (std::size_t range = 1; range < links; range = range * (slots + repeats) / repeats) ++repeats;
  return repeats;
}

/// Of more than one link, how many are before the next one whose input is kept; the rest has one slot less.
constexpr std::size_t links_before_next(std::size_t links, std::size_t slots) {
  const std::size_t repeats = fewest_repeats(links, slots);
  const std::size_t with_all = most_links(slots, repeats - 1), rest = links - most_links(slots - 1, repeats - 1);
  return with_all < rest ? with_all : rest;
}

}  // namespace detail

/// How many links the binomial schedule runs forward in a step: r links - (slots + r over slots + 1) of them again,
/// where r is the least number with (slots + r over slots) >= links, and each once for its backward pass.
constexpr std::size_t binomial_forward_steps(std::size_t links, std::size_t slots) {
  if (slots == 0) throw error("a chain is reversed with at least one slot, that of its input; give 1 or more");
  if (slots > links) slots = links;
  const std::size_t repeats = detail::fewest_repeats(links, slots);
  return links + (repeats == 0 ? 0 : repeats * links - detail::most_links(slots + 1, repeats - 1));
}

namespace detail {

[[noreturn]] inline void refuse_long_schedule(std::size_t links, std::size_t slots, std::size_t enough) {
  throw error("revolve of " + std::to_string(links) + " modules with " + std::to_string(slots) +
              (slots == 1 ? " slot" : " slots") + " runs modules more than ten million times in a step; give it " +
              std::to_string(enough) + " slots or more");
}

/// The segments of the binomial schedule, in preorder; the last link is in none. A step that runs links more often than
/// a plan of a gigabyte lists is refused.
constexpr core::list<chain_segment> binomial_segments(std::size_t links, std::size_t slots) {
  struct part {
    std::size_t first, links, slots;
  };
  const std::size_t fewest = 2 * links, most_steps = fewest > 10'000'000 ? fewest : 10'000'000;
  if (links > 1 && binomial_forward_steps(links, slots) > most_steps) {
    std::size_t enough = slots + 1;
    while (binomial_forward_steps(links, enough) > most_steps) ++enough;
    refuse_long_schedule(links, slots, enough);
  }
  core::list<chain_segment> made;
  core::list<part> open;
  open.push_back({0, links, slots});
  while (!open.empty()) {
    const part here = open.back();
    open.pop_back();
    if (here.links < 2) continue;
    const std::size_t before = links_before_next(here.links, here.slots);
    made.push_back({here.first, here.first + before});
    open.push_back({here.first + before, here.links - before, here.slots - 1});
    open.push_back({here.first, before, here.slots});
  }
  return made;
}

}  // namespace detail

/// The slots are in the type, or in the object.
template <std::size_t... Slots>
struct revolve : recompute_all {
  static_assert(sizeof...(Slots) == 1, "remat: revolve has one number of slots; write revolve<8>");

  static constexpr std::string_view policy_name = "revolve";
  static constexpr bool needs_uniform_chain = true;
  /// All of them are one group, where there is a slot for its input.
  static constexpr std::size_t links(std::size_t children) { return (Slots + ...) > 0 ? children : 0; }
  static constexpr core::list<chain_segment> nested(std::size_t children) {
    return detail::binomial_segments(children, (Slots + ...));
  }
};
template <>
struct revolve<> : recompute_all {
  std::size_t slots;

  static constexpr std::string_view policy_name = "revolve";
  static constexpr bool needs_uniform_chain = true;
  template <std::integral Number>
  constexpr explicit revolve(Number number) : slots(static_cast<std::size_t>(number)) {
    if (std::cmp_less(number, 1))
      throw error("revolve has at least one slot, that of the chain's input; give 1 or more");
  }
  static constexpr std::size_t links(std::size_t children) { return children; }
  constexpr core::list<chain_segment> nested(std::size_t children) const {
    return detail::binomial_segments(children, slots);
  }
};
template <class Number>
revolve(Number) -> revolve<>;

}  // namespace remat
