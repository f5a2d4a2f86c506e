// SPDX-License-Identifier: MIT
/// A plan in words: what is kept and why, what is recomputed, and what the step needs. How it is printed:
/// report_text.hpp.
#pragma once

#include <remat/plan/certificate.hpp>
#include <remat/plan/divided_checkpoints.hpp>
#include <remat/plan/plan.hpp>
#include <remat/plan/tape_rows.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace remat {

/// What waits between the forward and the backward pass.
struct kept_tensor {
  std::string path;               ///< of the module that made it; "input 0" for the model's inputs
  std::string shape;              ///< with its element type, of one sample
  std::size_t bytes = 0;          ///< in the arena
  std::size_t outside_bytes = 0;  ///< where a storage has taken it out of the arena
  std::string readers;            ///< the modules whose backward or recomputation reads it
  double flops = 0;               ///< of computing it again from what else is kept; 0 for an input
};

struct plan_report {
  std::size_t batch = 0;
  bool is_training = true;
  std::size_t activation_bytes = 0, live_bytes = 0, kept_bytes = 0;
  std::size_t outside_bytes = 0;      ///< that wait for backward out of the arena, written and read again in each step
  std::size_t writes = 0, reads = 0;  ///< of tensors, out of the arena and back, in a step
  std::size_t gradient_bytes = 0;     ///< of the parameters, in a block; 0 where no model is known
  std::size_t transient_gradient_bytes = 0;  ///< in addition to activations, in `train_step(x, y, optimizer)`
  /// A step with this plan may fail before its end, and updates no parameter before: gradients are kept in the block.
  bool needs_gradient_block = false;
  /// What kernels need in addition: packed weights that are there at once, and scratch beyond them. 0 where none were
  /// prepared.
  std::size_t packed_bytes = 0, scratch_bytes = 0;
  std::size_t kept_packed_bytes = 0;  ///< of packed weights that are kept for another use in the step
  std::size_t forward = 0, recompute = 0, backward = 0;  ///< kernel calls
  double recompute_share = 0;                            ///< recomputed FLOPs / forward FLOPs
  std::vector<kept_tensor> kept;
  std::vector<std::string> recomputed;  ///< paths, in order
  std::vector<std::string> plain;       ///< segments that would have kept more than without a checkpoint
  std::vector<std::string> split;       ///< what other stages have parts of: "blocks: blocks.0 to blocks.5"
  std::vector<std::string> ignored;     ///< paths of modules whose checkpoint is ignored, since they are on two stages
  /// Of a plan with budgets: its predicted time, what any could reach, and where memory is lost.
  std::optional<remat::certificate> certificate;
  std::vector<tape_row> rows;

  /// What the step does, action by action, and how much memory is alive meanwhile.
  const std::vector<tape_row>& tape() const& { return rows; }
  std::vector<tape_row> tape() && { return std::move(rows); }
};

namespace detail {

inline std::string text_of(const tensor_shape& s) {
  std::string text = std::string(name_of(s.type)) + " (";
  for (int i = 0; i < s.rank; ++i) text += (i > 0 ? ", " : "") + std::to_string(s.extents[i]);
  return text + ")";
}

inline std::string name_of_operation(const program& p, const operation& o) {
  return shown_operation(p, o) +
         (o.activation_after != activation::none ? " + " + std::string(name_of(o.activation_after)) : "");
}

/// Who reads each buffer in the backward pass, in order.
inline std::vector<std::string> readers_of_buffers(const program& p, const plan& made) {
  std::vector<std::string> readers(made.steps.buffers.size()), last(made.steps.buffers.size());
  for (int i = made.steps.end_of(forward_section); i < made.steps.actions.count(); ++i) {
    const action& a = made.steps.actions[i];
    if (a.operation == core::none) continue;
    const std::string reader = shown_path(p, p.operations[a.operation].node) +
                               (a.kind == action_kind::recompute ? " (recomputation)" : "");
    for (const auto* read : {&a.inputs, &a.outputs, &a.saved})
      for (int b : *read) {
        if (b == core::none || last[static_cast<std::size_t>(b)] == reader) continue;
        std::string& all = readers[static_cast<std::size_t>(b)];
        all += (all.empty() ? "" : ", ") + reader;
        last[static_cast<std::size_t>(b)] = reader;
      }
  }
  for (const action& a : made.steps.actions)
    if (a.kind == action_kind::restore || a.kind == action_kind::finish_read)
      readers[static_cast<std::size_t>(a.inputs[0])] = readers[static_cast<std::size_t>(a.outputs[0])];
  return readers;
}

/// FLOPs of one sample to compute tensor t again from inputs and from what else is kept; each operation counts once.
inline double cost_of_recomputing(const program& p, int t, const std::vector<bool>& kept) {
  std::vector<bool> visited(p.operations.size());
  std::vector<int> wanted{p.producers[t]};
  double flops = 0;
  while (!wanted.empty()) {
    const int i = wanted.back();
    wanted.pop_back();
    if (i == core::none || visited[static_cast<std::size_t>(i)]) continue;
    visited[static_cast<std::size_t>(i)] = true;
    flops += p.operations[i].flops;
    for (int input : p.operations[i].inputs)
      if (!kept[static_cast<std::size_t>(input)]) wanted.push_back(p.producers[input]);
  }
  return flops;
}

inline kept_tensor describe_kept(const program& p, std::size_t batch, const buffer& here, const std::string& readers) {
  const int producer = p.producers[here.tensor];
  kept_tensor k;
  k.path =
      producer == core::none ? "input " + std::to_string(here.tensor) : name_of_operation(p, p.operations[producer]);
  if (producer != core::none)
    for (int saved : p.operations[producer].saved)
      if (saved == here.tensor) k.path += " (saved)";
  if (here.form != nullptr) k.path += ", " + std::string(here.form->name);
  k.shape = text_of(p.tensors[here.tensor]);
  k.bytes = here.bytes;
  if (here.form != nullptr && here.form->is_outside) k.outside_bytes = p.bytes_of(here.tensor, false, batch);
  k.readers = readers;
  return k;
}

/// The checkpoints that are on this stage and on others.
inline void describe_divided(const program& p, int stage, plan_report& r) {
  for (const split_checkpoint& each : split_checkpoints(p))
    for (const checkpoint_part& part : each.parts)
      if (part.stage == stage) r.split.push_back(quoted_path(p, each.node) + ": " + part_text(p, each.node, part));
  for (const ignored_checkpoint& each : ignored_checkpoints(p))
    if (each.stages.first <= stage && stage <= each.stages.last) r.ignored.push_back(path_of(p, each.node));
}

}  // namespace detail

/// Explains a plan of the fused program `p`.
inline plan_report report(const program& p, const plan& made) {
  plan_report r;
  r.batch = made.batch;
  r.is_training = made.is_training;
  r.activation_bytes = made.activation_bytes;
  r.live_bytes = made.live_bytes;
  r.forward = count(made, action_kind::forward);
  r.recompute = count(made, action_kind::recompute);
  r.backward = count(made, action_kind::backward_input) + count(made, action_kind::backward_parameters) +
               count(made, action_kind::backward);
  r.writes = count(made, action_kind::begin_write);
  r.reads = count(made, action_kind::begin_read);
  double forward = 0, again = 0;
  for (const action& a : made.steps.actions) {
    if (a.kind == action_kind::forward) forward += p.operations[a.operation].flops;
    if (a.kind != action_kind::recompute) continue;
    again += p.operations[a.operation].flops;
    r.recomputed.push_back(detail::name_of_operation(p, p.operations[a.operation]));
  }
  r.recompute_share = forward > 0 ? again / forward : 0;
  r.kept_bytes = kept_bytes(made);
  const core::list<int> kept = kept_buffers(made);
  const std::vector<std::string> readers = detail::readers_of_buffers(p, made);
  std::vector<bool> kept_tensors(p.tensors.size());
  for (int b = 0; b < kept.count(); ++b)
    if (kept[b]) kept_tensors[static_cast<std::size_t>(made.steps.buffers[b].tensor)] = true;
  for (int b = 0; b < kept.count(); ++b) {
    if (!kept[b]) continue;
    const buffer& here = made.steps.buffers[b];
    r.kept.push_back(detail::describe_kept(p, made.batch, here, readers[static_cast<std::size_t>(b)]));
    r.outside_bytes += r.kept.back().outside_bytes;
    r.kept.back().flops = detail::cost_of_recomputing(p, here.tensor, kept_tensors) * static_cast<double>(made.batch);
  }
  for (int s = 0; s < made.segments.count(); ++s)
    if (made.segment_plans[s].is_plain) {
      const std::string path = path_of(p, p.operations[made.segments[s].first].node);
      r.plain.push_back(path.empty() ? "the model" : path);
    }
  r.rows = tape_rows(p, made);
  if (!made.covered.is_whole()) detail::describe_divided(p, made.covered.stage, r);
  return r;
}

}  // namespace remat
