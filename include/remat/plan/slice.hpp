// SPDX-License-Identifier: MIT
/// A slice of a program: what one plan covers. The whole of it, or the operations of one stage of the pipeline.
#pragma once

#include <remat/model/program.hpp>

namespace remat {

struct slice {
  int first = 0, last = 0;       ///< operations [first, last)
  int stage = core::none;        ///< `none`: the whole program
  int in_flight = 1;             ///< micro-batches that wait for their backward pass at once
  bool splits = false;           ///< what waits between sections is apart from the rest, once for each in flight
  bool halves_backward = false;  ///< the gradients of parameters are a section of their own

  constexpr bool is_whole() const { return stage == core::none; }
};

constexpr slice whole(const program& p) { return {0, p.operations.count()}; }

/// Whether tensor t comes into being in a slice: one of its operations makes it, or it is an input and the slice the
/// first.
constexpr bool is_made_in(const program& p, const slice& s, int t) {
  const int producer = p.producers[t];
  return producer == core::none ? s.first == 0 : producer >= s.first && producer < s.last;
}

/// The operations of a stage; stages are consecutive.
constexpr slice slice_of_stage(const program& p, int stage, int in_flight = 1, bool splits = false) {
  slice s{0, 0, stage, in_flight, splits};
  while (s.first < p.operations.count() && p.operations[s.first].stage < stage) ++s.first;
  for (s.last = s.first; s.last < p.operations.count() && p.operations[s.last].stage == stage;) ++s.last;
  return s;
}

}  // namespace remat
