// SPDX-License-Identifier: MIT
/// The memory of a plan while its tape is read: which buffers hold what was written to them, and whether their places
/// and lives are as the plan says.
///
/// Writing a buffer spoils every other one that has a byte in common with it. So a read finds out about whatever was
/// overwritten, however that came about.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/error.hpp>
#include <remat/plan/plan_layout.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace remat::detail {

class checked_memory {
 public:
  explicit checked_memory(const plan& made)
      : plan_(made),
        holds_(made.steps.buffers.size(), core::none),
        is_met_(made.steps.buffers.size()),
        intact_(made.regions.size()) {}

  /// Places, lives, and the bytes that the plan says that it takes.
  void check_layout() const {
    std::vector<std::size_t> ends(plan_.regions.size());
    const core::list<buffer>& buffers = plan_.steps.buffers;
    for (int b = 0; b < buffers.count(); ++b) {
      const buffer& here = buffers[b];
      require(here.region >= 0 && here.region < plan_.regions.count(), b, "is in a region that the plan does not have");
      require(here.allocation >= 0 && here.allocation < buffers.count(), b, "uses an allocation that is no buffer");
      require(here.first >= 0 && here.first <= here.last && here.last < plan_.steps.actions.count(), b,
              "lives at actions that the tape does not have");
      require(here.offset % alignment == 0, b, "is at an offset that is not aligned");
      const buffer& root = buffers[here.allocation];
      require(root.allocation == here.allocation && root.region == here.region && root.offset == here.offset &&
                  (here.allocation == b || root.bytes == here.bytes) && root.first <= here.first &&
                  here.last <= root.last,
              b, "works in an allocation of another place, size or life");
      check_section(b);
      std::size_t& end = ends[static_cast<std::size_t>(here.region)];
      end = std::max(end, here.offset + aligned(here.bytes));
    }
    check_overlaps();
    std::size_t activations = 0, passing = 0, live = 0;
    for (int r = 0; r < plan_.regions.count(); ++r) {
      const plan_region& here = plan_.regions[r];
      const std::size_t end = ends[static_cast<std::size_t>(r)];
      if (here.port != core::none ? aligned(here.bytes) < end : here.bytes != end)
        throw error("region " + std::to_string(r) + " has " + std::to_string(here.bytes) +
                    " bytes, and its buffers end at " + std::to_string(end));
      if (here.port != core::none) continue;
      (here.is_passing ? passing : activations) += here.bytes;
      if (!here.is_passing) live += live_maximum_of(r);
    }
    if (activations != plan_.activation_bytes + plan_.gradient_bytes || passing != plan_.passing_bytes)
      throw error("the plan says that it takes " + std::to_string(plan_.activation_bytes + plan_.gradient_bytes) +
                  " and " + std::to_string(plan_.passing_bytes) + " bytes, and its regions have " +
                  std::to_string(activations) + " and " + std::to_string(passing));
    if (plan_.updates != updating::from_arena && live != plan_.live_bytes)
      throw error("the plan says that " + std::to_string(plan_.live_bytes) + " bytes are alive at once, and it is " +
                  std::to_string(live));
  }

  /// What the buffer holds, at this action.
  int read(int b, int now) {
    mention(b, now);
    require(holds_[at(b)] != core::none, b,
            "is read by action " + std::to_string(now) + ", and does not hold what was written");
    return holds_[at(b)];
  }
  void write(int b, int value, int now) {
    mention(b, now);
    const buffer& here = plan_.steps.buffers[b];
    if (!is_met_[at(b)]) require(here.first == now, b, "is written before, or after, its life begins");
    is_met_[at(b)] = true;
    std::vector<int>& others = intact_[at(here.region)];
    std::erase_if(others, [&](int other) {
      const buffer& there = plan_.steps.buffers[other];
      if (there.bytes == 0 || here.bytes == 0) return false;  // what is out of the arena
      if (there.offset + there.bytes <= here.offset || here.offset + here.bytes <= there.offset) return false;
      holds_[at(other)] = core::none;
      return true;
    });
    holds_[at(b)] = value;
    others.push_back(b);
  }
  bool holds(int b, int value) const { return holds_[at(b)] == value; }
  bool are_apart(int a, int b) const {
    const buffer &one = plan_.steps.buffers[a], &other = plan_.steps.buffers[b];
    return one.region != other.region || one.offset + one.bytes <= other.offset ||
           other.offset + other.bytes <= one.offset;
  }
  bool are_same(int a, int b) const {
    const buffer &one = plan_.steps.buffers[a], &other = plan_.steps.buffers[b];
    return one.region == other.region && one.offset == other.offset && one.bytes == other.bytes;
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  static void require(bool holds, int b, const std::string& what) {
    if (!holds) throw error("buffer " + std::to_string(b) + " " + what);
  }
  void mention(int b, int now) const {
    require(b >= 0 && b < plan_.steps.buffers.count(), b, "is not in the plan");
    const buffer& here = plan_.steps.buffers[b];
    require(here.first <= now && now <= here.last, b,
            "is used by action " + std::to_string(now) + ", outside of its life");
  }

  /// Where regions are of sections, a buffer's is that of the sections that use it.
  void check_section(int b) const {
    const buffer& root = plan_.steps.buffers[plan_.steps.buffers[b].allocation];
    const plan_region& region = plan_.regions[root.region];
    const int first = plan_.steps.section_of(root.first), last = plan_.steps.section_of(root.last);
    if (region.port != core::none) return require(root.port == region.port, b, "is in the region of another port");
    require(root.port == core::none, b, "is of a port, and not in its region");
    require(region.is_passing ? first == last : region.first_section <= first && last <= region.last_section, b,
            "lives longer than its region");
  }

  /// No two allocations that live at once have a byte in common.
  void check_overlaps() const {
    const core::list<buffer>& buffers = plan_.steps.buffers;
    std::vector<int> order, alive;
    for (int b = 0; b < buffers.count(); ++b)
      if (buffers[b].allocation == b && buffers[b].bytes > 0) order.push_back(b);
    std::ranges::sort(order, {}, [&](int b) { return std::pair(buffers[b].first, b); });
    for (const int b : order) {
      std::erase_if(alive, [&](int other) { return buffers[other].last < buffers[b].first; });
      for (const int other : alive)
        require(buffers[b].region != buffers[other].region ||
                    buffers[b].offset + aligned(buffers[b].bytes) <= buffers[other].offset ||
                    buffers[other].offset + aligned(buffers[other].bytes) <= buffers[b].offset,
                b, "overlaps buffer " + std::to_string(other) + ", which lives at the same time");
      alive.push_back(b);
    }
  }

  std::size_t live_maximum_of(int region) const {
    std::vector<std::size_t> begin(plan_.steps.actions.size() + 1), end(plan_.steps.actions.size() + 1);
    for (int b = 0; b < plan_.steps.buffers.count(); ++b) {
      const buffer& here = plan_.steps.buffers[b];
      if (here.allocation != b || here.region != region) continue;
      begin[at(here.first)] += aligned(here.bytes);
      end[at(here.last)] += aligned(here.bytes);
    }
    std::size_t now = 0, most = 0;
    for (std::size_t i = 0; i < begin.size(); ++i) {
      now += begin[i];
      most = std::max(most, now);
      now -= end[i];
    }
    return most;
  }

  const plan& plan_;
  std::vector<int> holds_;                // of each buffer: a term; none: nothing, or what others wrote over it
  std::vector<bool> is_met_;              // it was written
  std::vector<std::vector<int>> intact_;  // of each region, those that hold something
};

}  // namespace remat::detail
