// SPDX-License-Identifier: MIT
/// A measured step as a timeline: what every rank of a job did when, to be drawn as a simulated one is.
///
///     const remat::timeline measured = gather_timeline(model);   // on every rank, after a step
///     if (mpi.rank() == 0) remat::write_gantt("step.svg", measured);
///
/// Ranks are those of MPI's world, time 0 is when the first of them began its step. On one node, processes have one
/// clock. On several, each rank's clock is compared with rank 0's by messages back and forth, so that events of
/// different ranks are off by up to half the time of the fastest exchange.
///
/// The optimizer, and what a rank does around a step, are not measured.
#pragma once

#include <remat/distributed/distributed_network.hpp>
#include <remat/distributed/pipeline_trace.hpp>
#include <remat/run/internals.hpp>
#include <remat/schedule/timeline.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace remat {

/// What a rank did, in seconds since its step began: passes cut into what was computed, recomputed and waited for.
inline timeline events_of(const pipeline_trace& trace, int rank) {
  timeline events;
  std::size_t wait = 0, again = 0;
  const auto between = [&](const pipeline_trace::span& s) {
    events.push_back({rank, activity::wait, -1, -1, s.begin, s.end});
  };
  for (const pipeline_trace::event& e : trace.events) {
    const pipeline_task& t = e.done;
    for (; wait < trace.waits.size() && trace.waits[wait].begin < e.begin; ++wait) between(trace.waits[wait]);
    const activity computes = rules_of(t.kind).shown;
    double done = e.begin;  // what is told of the task
    const auto tell = [&](activity what, double end) {
      if (end > done) events.push_back({rank, what, t.stage, t.microbatch, done, end});
      done = std::max(done, end);
    };
    while (true) {
      const bool waits = wait < trace.waits.size() && trace.waits[wait].begin < e.end;
      const bool recomputes = again < trace.recomputations.size() && trace.recomputations[again].begin < e.end;
      if (!waits && !recomputes) break;
      const bool waits_first = waits && (!recomputes || trace.waits[wait].begin <= trace.recomputations[again].begin);
      const pipeline_trace::span& next = waits_first ? trace.waits[wait++] : trace.recomputations[again++];
      tell(computes, next.begin);
      tell(waits_first ? activity::wait : activity::recompute, next.end);
    }
    tell(computes, e.end);
  }
  for (; wait < trace.waits.size(); ++wait) between(trace.waits[wait]);
  for (const pipeline_trace::reduction& r : trace.reductions)
    events.push_back({rank, activity::all_reduce, -1, -1, r.begin, r.end});
  return events;
}

namespace detail {

/// What to add to this rank's clock to have rank 0's, in seconds: this rank `asked` and was `answered` by its own
/// clock, and rank 0's showed `told` in between. A message takes about as long there as back.
constexpr double clock_offset(double asked, double told, double answered) { return told - (asked + answered) / 2; }

/// Collective: the same of steady clocks, measured several times. Several nodes may have several clocks.
inline double clock_offset(const distributed_network& model) {
  constexpr int exchanges = 20;
  const mpi::communicator& world = internals::world(model);
  std::array<double, 1> clock{};
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(clock));
  double offset = 0, fastest = std::numeric_limits<double>::infinity();
  for (int rank = 1; rank < model.size(); ++rank)
    for (int k = 0; k < exchanges; ++k) {
      if (model.rank() == rank) {
        const double asked = pipeline_trace::clock_seconds();
        internals::all(model).wait(world.send(bytes, 0, 0));
        internals::all(model).wait(world.receive(bytes, 0, 0));
        const double answered = pipeline_trace::clock_seconds();
        if (answered - asked >= fastest) continue;
        fastest = answered - asked;
        offset = clock_offset(asked, clock[0], answered);
      } else if (model.rank() == 0) {
        internals::all(model).wait(world.receive(bytes, rank, 0));
        clock[0] = pipeline_trace::clock_seconds();
        internals::all(model).wait(world.send(bytes, rank, 0));
      }
    }
  return offset;
}

}  // namespace detail

/// Collective: the last training step of all ranks, on rank 0; on others, nothing.
inline timeline gather_timeline(const distributed_network& model) {
  const mpi::communicator& world = internals::world(model);
  const agreement& all = internals::all(model);
  internals::calls(model).meet(call_kind::events);
  timeline mine = events_of(model.trace(), model.rank());
  const bool is_one_host = world.this_host().ranks == model.size();
  const double begun = model.trace().begun() + (is_one_host ? 0 : detail::clock_offset(model));
  for (timeline_event& e : mine) {
    e.begin += begun;
    e.end += begun;
  }
  std::uint64_t count = mine.size();
  const std::span<std::byte> count_bytes = std::as_writable_bytes(std::span(&count, 1));
  if (model.rank() != 0) {
    all.wait(world.send(count_bytes, 0, 0));
    mpi::in_pieces(std::as_bytes(std::span(mine.data(), mine.size())),
                   [&](std::span<const std::byte> piece) { all.wait(world.send(piece, 0, 0)); });
    all.require_none("");  // nobody leaves before rank 0 has everything
    return {};
  }
  double first = begun;
  for (int rank = 1; rank < model.size(); ++rank) {
    all.wait(world.receive(count_bytes, rank, 0));
    std::vector<timeline_event> theirs(count);
    mpi::in_pieces(std::as_writable_bytes(std::span(theirs)),
                   [&](std::span<std::byte> piece) { all.wait(world.receive(piece, rank, 0)); });
    for (const timeline_event& e : theirs) {
      first = std::min(first, e.begin);
      mine.push_back(e);
    }
  }
  all.require_none("");
  for (timeline_event& e : mine) {
    e.begin -= first;
    e.end -= first;
  }
  return mine;
}

}  // namespace remat
