// SPDX-License-Identifier: MIT
/// The spine of a slice: its operations in a row, with what a chain solver needs to know of each, in quanta of memory
/// (spine_maker.hpp makes it).
///
/// Between two operations runs a frontier: the tensors made before it and read after it. Of a chain it is one tensor; a
/// residual's input, or a long skip, is in every frontier from its producer to its last reader. The first 31 tensors of
/// a frontier are counted.
#pragma once

#include <remat/core/list.hpp>
#include <remat/core/none.hpp>
#include <remat/model/program.hpp>

#include <cstdint>

namespace remat::detail {

/// Whether input k of an operation is none of those before it.
constexpr bool is_new_input(const operation& o, int k) {
  for (int before = 0; before < k; ++before)
    if (o.inputs.values[before] == o.inputs.values[k]) return false;
  return true;
}

/// A tensor that the backward pass of an operation reads.
struct spine_read {
  int tensor = core::none;
  int last_moment = 0;  ///< after which it is read no more
};

struct spine_operation {
  double forward = 0;            ///< what computing it again costs
  int made = 0, outputs = 0;     ///< quanta of outputs and saved tensors; of outputs
  bool skips_outputs = false;    ///< where nobody reads them and it is computed again
  int in_place_of = core::none;  ///< the tensor over which it may write its output
  bool updates_state = false;    ///< the first pass reads the input once more, and is not in place
  int comes_in = 0;              ///< of `made`, what is no tensor of the slice's: it is there from then on
  int overwritten = core::none;  ///< the tensor over which its backward pass may write a gradient, at
  int overwritten_at = 0;        ///< this moment
  core::list<spine_read> reads = {};
  core::list<int> gradients = {};  ///< quanta at each moment of its backward pass
};

/// Operations [first, last), counted from the spine's first, that another checkpoint computes again in any case.
struct fixed_segment {
  int first = 0, last = 0;
};

struct spine {
  int first = 0, count = 0;  ///< operations of the program [first, first + count), counted from 0 here
  core::list<spine_operation> operations = {};
  core::list<int> weight = {};        ///< of each tensor of the program, in quanta
  core::list<double> transfer = {};   ///< what taking it out of memory and back costs; below 0: it stays; empty: all do
  core::list<int> producer = {};      ///< the operation; -1: it is there at the start; those of other slices, too
  core::list<int> last_forward = {};  ///< the last operation that reads it; -1: none
  core::list<int> stays_until = {};   ///< before which its program reads it; a segment that ends there may keep it
  core::list<core::list<int>> frontier = {};  ///< before each operation, and at the end; in order of producers
  core::list<int> waiting = {};  ///< before each operation: quanta of gradients while its segment is computed again
  core::list<int> group = {};    ///< of each operation: segments may be within one group; -1: in none
  core::list<std::uint8_t> is_border = {};  ///< before each operation, and at the end: segments may begin and end there
  bool has_one_way = false;                 ///< what may stay for a segment does
  core::list<fixed_segment> fixed = {};     ///< in preorder, none of all operations

  static constexpr int largest_frontier = 31;
};

}  // namespace remat::detail
