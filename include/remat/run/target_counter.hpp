// SPDX-License-Identifier: MIT
/// Counts how many of a micro-batch's targets the loss averages over, before it runs: what the loss of a program says
/// (`counted`), else its samples. It loads the targets as a step does, into memory of its own that the largest
/// micro-batch determines.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/error.hpp>
#include <remat/core/kernel_call.hpp>
#include <remat/model/program.hpp>
#include <remat/run/source.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace remat {

class target_counter {
 public:
  /// `p` must stay where it is.
  explicit target_counter(const program& p) : program_(&p) {}

  /// Whether counting looks at targets.
  bool reads_targets() const { return program_->counted != nullptr; }
  /// Whether the loss divides by what counts in the whole batch.
  bool divides() const {
    return reads_targets() && program_->operations[program_->producers[program_->loss]].is.divides_by_counted_in_batch;
  }

  /// `sources` are all inputs of the program, of `samples` samples; `states` those of the operation that gives the
  /// loss. Throws `error` where a loss of a user's own gives what is no count.
  double count(std::span<const tensor_source> sources, std::size_t samples, value_spans states) {
    if (!reads_targets()) return static_cast<double>(samples);
    const program& p = *program_;
    const operation& loss = p.operations[p.producers[p.loss]];
    const int first = p.inputs - p.targets;
    if (const std::size_t bytes = bytes_for(samples); memory_.size() < bytes)
      memory_ = std::vector<std::byte>(bytes);  // as many as `bytes_for` says
    kernel_call c;
    c.kind = loss.kind;
    c.module_attributes = loss.attributes;
    c.batch = samples;
    c.input_count = p.targets;
    c.states = states;
    std::byte* to = memory_.data();
    for (int i = 0; i < p.targets; ++i) {
      const tensor_shape& shape = p.tensors[first + i];
      const tensor_source& from = sources[static_cast<std::size_t>(first + i)];
      from.load(from, shape, to);
      c.input_shapes[i] = &shape;
      c.inputs[i] = to;
      to += aligned(shape.bytes(samples));
    }
    const double counted = p.counted(target_pass(c));
    if (!std::isfinite(counted) || counted < 0)
      throw error("the loss (" + std::string(loss.kind) + ") counts " + std::to_string(counted) +
                  " of a micro-batch's targets; what counts is a finite number of at least 0");
    return counted == 0 ? 0.0 : counted;  // not -0.0, whose bits ranks would take for the largest number
  }

  /// Bytes that counting this many samples takes.
  std::size_t bytes_for(std::size_t samples) const {
    std::size_t bytes = 0;
    for (int t = program_->inputs - program_->targets; reads_targets() && t < program_->inputs; ++t)
      bytes += aligned(program_->tensors[t].bytes(samples));
    return bytes;
  }
  /// Bytes that it holds now.
  std::size_t bytes() const { return memory_.capacity(); }

 private:
  const program* program_;
  std::vector<std::byte> memory_;
};

}  // namespace remat
