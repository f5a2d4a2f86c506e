// SPDX-License-Identifier: MIT
/// The loss of a model on outputs that are there already, as a metric needs it: its forward kernel alone, in memory of
/// its own.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/error.hpp>
#include <remat/model/program.hpp>
#include <remat/nn/rounded.hpp>
#include <remat/run/begin_metric.hpp>
#include <remat/run/memory_block.hpp>
#include <remat/run/source.hpp>
#include <remat/run/target_counter.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace remat::detail {

/// Runs the loss of a program on outputs and targets.
class loss_of_outputs {
 public:
  /// The program and the tensors of its loss must outlive it. Throws `error` for a program whose loss cannot be run so.
  loss_of_outputs(const program& p, const loss_tensors& tensors)
      : program_(&p), counter_(p), parameters_(tensors.parameters), states_(tensors.states) {
    if (p.loss == core::none)
      throw error(
          "mean_loss is the loss of the model, and this model has none; give it one: remat::model<net, input, "
          "loss>");
    const operation& o = loss();
    bool reads_outputs = p.targets == 1 && p.outputs.size == 1 && o.inputs.size == 2;
    reads_outputs = reads_outputs && before_rounding(o.inputs[0]) == p.outputs[0] && o.inputs[1] == p.inputs - 1;
    if (!reads_outputs)
      throw error(
          "mean_loss runs a loss that is one module of one output and one target; the loss of this model is "
          "made of more");
  }

  /// The sum over this batch, and what counts of it.
  struct result {
    double sum, counted;
  };
  result run(std::span<const float> outputs, const tensor_source& target) {
    const program& p = *program_;
    const operation& o = loss();
    const tensor_shape& x = p.tensors[p.outputs[0]];
    const tensor_shape& t = p.tensors[o.inputs[1]];
    const std::size_t samples = outputs.size() / x.elements();
    if ((target.type == element::float32) != (t.type == element::float32))
      throw error(std::string("mean_loss: the loss takes targets of ") +
                  (t.type == element::float32 ? "float" : "integers"));
    if (target.size != t.elements(samples))
      throw error("mean_loss: " + std::to_string(target.size) + " targets for " + std::to_string(samples) +
                  " samples, which take " + std::to_string(t.elements(samples)));
    if (const std::string misfit = target.misfit(target, t); !misfit.empty())
      throw error("mean_loss: target " + misfit + " of the batch is no class");
    make_ready(samples);
    const tensor_source given = source_of(outputs);
    given.load(given, x, call_.inputs[0]);
    target.load(target, t, call_.inputs[1]);
    sources_.assign(static_cast<std::size_t>(p.inputs), tensor_source{});
    sources_.back() = target;
    const double counted = counter_.count(sources_, samples, states_);
    // Where nothing counts there is no mean; a loss that divides by what it is told gives its sum.
    const bool gives_sum = counter_.divides() && counted == 0;
    o.kernels->forward(forward_pass(call_, false, random_stream(0, 0), gives_sum ? std::optional(1.0) : std::nullopt));
    const double value = static_cast<double>(*reinterpret_cast<const float*>(call_.outputs[0]));
    return {gives_sum ? value : counted > 0 ? value * counted : 0, counted};
  }

 private:
  const operation& loss() const { return program_->operations[program_->producers[program_->loss]]; }
  /// The tensor that tensor t is, or is rounded from for a loss of products of bfloat16, which here is one of float32.
  int before_rounding(int t) const {
    if (program_->producers[t] == core::none) return t;
    const operation& maker = program_->operations[program_->producers[t]];
    return maker.kind == nn::rounded::kind ? maker.inputs[0] : t;
  }

  /// The kernel's call for a number of samples.
  void make_ready(std::size_t samples) {
    if (call_.batch == samples) return;
    const program& p = *program_;
    const operation& o = loss();
    std::vector<tensor_shape> in{p.tensors[p.outputs[0]], p.tensors[o.inputs[1]]}, out{p.tensors[p.loss]}, saved;
    for (int t : o.saved) saved.push_back(p.tensors[t]);
    call_ = {};  // what follows may throw
    state_.reset();
    if (o.kernels->prepare != nullptr) {
      preparation wanted;
      wanted.module_attributes = o.attributes;
      wanted.inputs = in;
      wanted.outputs = out;
      wanted.saved = saved;
      wanted.batch = samples;
      wanted.training = false;
      state_ = o.kernels->prepare(wanted);
    }
    const std::size_t x = aligned(in[0].bytes(samples)), t = aligned(in[1].bytes(samples)),
                      y = aligned(out[0].bytes(1)), scratch = state_ ? aligned(state_->scratch_of()) : 0;
    std::size_t packed = 0;
    if (state_)
      for (const packed_copy& each : state_->packed) packed += aligned(each.bytes);
    memory_ = memory_block(x + t + y + scratch + packed);
    call_.kind = o.kind;
    call_.module_attributes = o.attributes;
    call_.state = state_.get();
    call_.batch = samples;
    call_.input_count = 2;
    call_.output_count = 1;
    call_.input_shapes[0] = &p.tensors[p.outputs[0]];
    call_.input_shapes[1] = &p.tensors[o.inputs[1]];
    call_.output_shapes[0] = &p.tensors[p.loss];
    for (int i = 0; i < o.saved.size; ++i) call_.saved_shapes[i] = &p.tensors[o.saved[i]];
    call_.inputs[0] = memory_.data();
    call_.inputs[1] = call_.inputs[0] + x;
    call_.outputs[0] = call_.inputs[1] + t;
    call_.scratch = call_.outputs[0] + y;
    call_.parameters = parameters_;
    call_.states = states_;
    if (state_) pack(o, call_.scratch + scratch);
  }

  void pack(const operation& o, std::byte* to) {
    for (std::size_t k = 0; k < state_->packed.size(); ++k) {
      call_.packed[k] = to;
      o.kernels->pack(pack_pass(call_, k));
      to += aligned(state_->packed[k].bytes);
    }
  }

  const program* program_;
  target_counter counter_;
  value_spans parameters_, states_;
  std::unique_ptr<prepared> state_;
  memory_block memory_;
  kernel_call call_;
  std::vector<tensor_source> sources_;
};

}  // namespace remat::detail
