// SPDX-License-Identifier: MIT
/// The memory of a rank: where the regions of its stages are for each micro-batch.
///
/// Time is the rank's row of the schedule. A region is alive
///
///     what is kept                from the task of the section that makes it to the task of the last that reads it
///     a port that receives        from the task before which the receive is posted
///     a port that sends           to the task before which the send is complete; one that later sections read, to there
///     what passes                 in one task: one region for all, the largest
///     what is read back           from some tasks before that of the backward pass to that
///
/// and they are placed as the buffers of a plan are. So one_f_one_b holds min(p - s, m) kept regions on stage s, and as
/// many slots for messages as the schedule's clock needs for receives that are posted early. zero_bubble holds no more
/// of what waits for the gradients of inputs, and up to s + 1 regions of what waits for those of parameters.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/partition/pipeline_messages.hpp>
#include <remat/plan/placement.hpp>
#include <remat/plan/plan.hpp>
#include <remat/schedule/message_times.hpp>
#include <remat/schedule/task_positions.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace remat {

/// A stage on this rank, with its plan for each micro-batch.
struct laid_out_stage {
  int stage = 0;
  std::vector<const plan*> plans = {};
};

/// The task from which on a region is alive: that of its first section, or that many tasks before, but after the
/// forward pass.
inline int begin_of_region(const plan_region& region, const task_positions& positions, int stage, int microbatch) {
  const int own = positions.position_of(pass_of_section(region.first_section), stage, microbatch);
  if (region.tasks_ahead == 0) return own;
  return std::max(own - region.tasks_ahead, positions.position_of(pass_kind::forward, stage, microbatch) + 1);
}

class rank_layout {
 public:
  rank_layout(const schedule_table& table, int rank, const task_positions& positions,
              const core::list<pipeline_message>& messages, const message_timetable& times,
              std::span<const laid_out_stage> stages)
      : row_(table.rows[rank].count()) {
    core::list<detail::allocation> allocations;
    std::vector<std::size_t*> places;
    for (const laid_out_stage& here : stages) {
      offsets_.emplace_back();
      for (int m = 0; m < table.microbatches; ++m) {
        const plan& made = *here.plans[static_cast<std::size_t>(m)];
        passing_ = std::max(passing_, made.passing_bytes);
        alignment_ = std::max(alignment_, made.steps.alignment);
        offsets_.back().emplace_back(made.regions.size());
      }
    }
    for (std::size_t s = 0; s < stages.size(); ++s) {
      const int stage = stages[s].stage;
      const std::vector<port_messages> of_ports = messages_of_ports(messages, stages[s].plans[0]->ports, stage);
      std::vector<std::vector<int>> begun(of_ports.size(), std::vector<int>(static_cast<std::size_t>(row_) + 2));
      for (int m = 0; m < table.microbatches; ++m) {
        const plan& made = *stages[s].plans[static_cast<std::size_t>(m)];
        std::vector<std::size_t>& mine = offsets_[s][static_cast<std::size_t>(m)];
        for (int r = 0; r < made.regions.count(); ++r) {
          const plan_region& here = made.regions[r];
          if (here.is_passing) continue;
          int from = begin_of_region(here, positions, stage, m);
          int to = positions.position_of(pass_of_section(here.last_section), stage, m);
          const int k = here.port;
          if (k != core::none) {
            const int received = of_ports[static_cast<std::size_t>(k)].received;
            if (received != core::none && times.is_sent(received)) from = times.at(received, m).post;
            if (received != core::none && !times.is_sent(received))
              from = positions.position_of(pass_of_section(here.first_section), made.ports[k].from, m);
            for (const int i : of_ports[static_cast<std::size_t>(k)].sent)
              if (times.is_sent(i)) to = std::max(to, times.at(i, m).wait);
          }
          add(allocations, places, mine[static_cast<std::size_t>(r)], here.bytes, from, to);
          if (k == core::none) continue;
          ++begun[static_cast<std::size_t>(k)][static_cast<std::size_t>(from)];
          --begun[static_cast<std::size_t>(k)][static_cast<std::size_t>(to) + 1];
        }
      }
      slots_.emplace_back();
      for (const std::vector<int>& each : begun) slots_.back().push_back(largest_sum(each));
    }
    place(allocations, places);
    for (std::size_t s = 0; s < stages.size(); ++s)
      for (std::size_t m = 0; m < offsets_[s].size(); ++m)
        for (int r = 0; r < stages[s].plans[m]->regions.count(); ++r)
          if (stages[s].plans[m]->regions[r].is_passing) offsets_[s][m][static_cast<std::size_t>(r)] = placed_;
  }

  /// Of the rank's activations.
  std::size_t bytes() const { return passing_ > 0 ? placed_ + passing_ : end_; }
  /// The largest sum of what is alive at once: no layout of these regions needs less.
  std::size_t live_bytes() const { return live_ + passing_; }
  /// What is alive at each position of the row, without what passes in one task: sums over the stages of a rank.
  const core::list<std::size_t>& live_over_time() const { return live_over_time_; }
  /// Of what passes in one task: the largest.
  std::size_t passing_bytes() const { return passing_; }
  /// How many micro-batches of the rank's stage number `stage` have a port's tensor at once.
  int slots(std::size_t stage, int port) const { return slots_[stage][static_cast<std::size_t>(port)]; }
  /// Where a region of the rank's stage number `stage` begins for a micro-batch.
  std::span<const std::size_t> offsets(std::size_t stage, std::size_t microbatch) const {
    return offsets_[stage][microbatch];
  }

 private:
  struct port_messages {
    int received = core::none;
    std::vector<int> sent = {};
  };
  static std::vector<port_messages> messages_of_ports(const core::list<pipeline_message>& messages,
                                                      const core::list<stage_port>& ports, int stage) {
    std::vector<port_messages> found;
    for (const stage_port& here : ports) {
      port_messages& mine = found.emplace_back();
      if (here.receives()) mine.received = find_message(messages, here, here.from, stage);
      for (const int reader : here.to) mine.sent.push_back(find_message(messages, here, stage, reader));
    }
    return found;
  }
  static int largest_sum(const std::vector<int>& changes) {
    int most = 0, now = 0;
    for (const int change : changes) most = std::max(most, now += change);
    return most;
  }
  void add(core::list<detail::allocation>& allocations, std::vector<std::size_t*>& places, std::size_t& place,
           std::size_t bytes, int first, int last) {
    if (bytes == 0) return;
    detail::allocation s;
    s.buffer = static_cast<int>(places.size());
    s.size = aligned(bytes, alignment_);
    s.first = first;
    s.last = last;
    allocations.push_back(s);
    places.push_back(&place);
    sizes_.push_back(bytes);
  }
  void place(core::list<detail::allocation>& allocations, std::span<std::size_t* const> places) {
    std::ranges::sort(allocations, {}, [](const detail::allocation& s) { return std::pair(s.first, s.buffer); });
    const auto live_of = [&](const auto& size_of) {
      core::list<std::size_t> live(static_cast<std::size_t>(row_) + 3);
      for (const detail::allocation& s : allocations) {  // unsigned sums wrap and come back
        live[s.first] += size_of(s);
        live[s.last + 1] -= size_of(s);
      }
      for (int now = 1; now < live.count(); ++now) live[now] += live[now - 1];
      return live;
    };
    // Regions may be placed at larger steps than they are long: what is alive counts as `bytes()` does.
    live_over_time_ =
        live_of([&](const detail::allocation& s) { return aligned(sizes_[static_cast<std::size_t>(s.buffer)]); });
    live_ = detail::maximum_of(live_over_time_);
    placed_ = detail::place(allocations, live_of([](const detail::allocation& s) { return s.size; }));
    for (const detail::allocation& s : allocations) *places[static_cast<std::size_t>(s.buffer)] = s.offset;
    for (std::size_t i = 0; i < places.size(); ++i) end_ = std::max(end_, *places[i] + aligned(sizes_[i]));
  }

  int row_;
  std::size_t alignment_ = alignment;  // of regions: the largest of their buffers'
  std::size_t passing_ = 0, placed_ = 0, end_ = 0, live_ = 0;
  core::list<std::size_t> live_over_time_ = {};
  std::vector<std::size_t> sizes_;                              // of what is placed, as it is used
  std::vector<std::vector<int>> slots_;                         // of each stage and port
  std::vector<std::vector<std::vector<std::size_t>>> offsets_;  // of each stage, micro-batch and region
};

}  // namespace remat
