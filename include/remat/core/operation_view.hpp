// SPDX-License-Identifier: MIT
/// What a policy sees, and what it answers.
///
/// | sees              |                                                                                          |
/// |-------------------|------------------------------------------------------------------------------------------|
/// | `operation_view`  | an operation of a segment: bytes, costs, and the operations that it reads and that read it |
/// | `segment_context` | what the plan is made for: the batch, the stage, micro-batches in flight, a limit of bytes |
///
/// It answers with a `decision` for an operation, or with a `segment_choice` for a segment: a decision for each
/// operation, and segments inside it, which nest.
#pragma once

#include <remat/core/list.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace remat {

enum class decision { keep, recompute };

/// An operation inside a checkpoint, at the planned batch. Operations are counted from the segment's first.
struct operation_view {
  static constexpr int outside = -1;

  std::string_view kind = {};    ///< "conv2d", "linear", "relu", ...
  std::string_view name = {};    ///< of its module, or of the innermost named one that ends with it; or empty
  std::size_t output_bytes = 0;  ///< of all outputs
  double flops = 0;              ///< of its forward pass

  std::size_t input_bytes = 0;  ///< of all inputs
  std::size_t saved_bytes = 0;  ///< of what it saves for its backward pass in addition to inputs and outputs
  /// What it costs: FLOPs, or what was measured, at the planned batch. Of a backward pass that runs both halves at
  /// once, each has one half; a half that does not run costs nothing.
  double forward_cost = 0, backward_input_cost = 0, backward_parameters_cost = 0;
  bool backward_reads_inputs = false, backward_reads_outputs = false;

  /// For each input, the operation that makes it; `outside` where none of the segment does.
  std::span<const int> producers = {};
  /// The operations of the segment that read an output of it, in order.
  std::span<const int> readers = {};
  /// An output is read after the segment: it is kept, or computed again, whatever the decision here.
  bool is_read_outside = false;
};

/// What the plan is made for.
struct segment_context {
  std::size_t batch = 1;
  int stage = 0;      ///< of the pipeline
  int in_flight = 1;  ///< micro-batches whose activations this stage holds at once: 1 in one process
  std::optional<std::size_t> bytes = {};  ///< that the activations of the plan may take, where a limit was given
};

/// A segment inside another one: the operations [first, last), counted from those of the segment that was asked about.
/// It is dropped in the forward pass, and computed again, by itself, in the backward pass.
struct nested_segment {
  std::size_t first = 0, last = 0;
  core::list<decision> decisions =
      {};  ///< of its operations, counted from its first; what it says nothing of is recomputed
};

/// What a policy answers for a whole segment.
struct segment_choice {
  core::list<decision> decisions;     ///< what it says nothing of is recomputed
  core::list<nested_segment> nested;  ///< in any order; two of them are apart, or one holds the other

  constexpr segment_choice(
      core::list<decision> each = {},  // NOLINT(google-explicit-constructor): the decisions are a choice
      core::list<nested_segment> inside = {})
      : decisions(static_cast<core::list<decision>&&>(each)),
        nested(static_cast<core::list<nested_segment>&&>(inside)) {}
};

}  // namespace remat
