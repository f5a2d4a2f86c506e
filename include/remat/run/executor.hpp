// SPDX-License-Identifier: MIT
/// The executor: runs the tape of one plan in an arena. It decides nothing and allocates nothing.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/plan/plan.hpp>
#include <remat/run/parameters.hpp>
#include <remat/run/source.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace remat {

/// The regions of an arena, or the bytes that each of them needs.
struct regions {
  std::size_t activations = 0, packed = 0, scratch = 0;

  std::size_t total() const { return activations + packed + scratch; }
};

/// A number for each kind of action.
using action_counts = std::array<std::size_t, action_kinds>;

/// Sees every action of a step before and after it runs.
struct observer {
  virtual ~observer() = default;
  virtual void before(int action) = 0;
  virtual void after(int action) = 0;
};

/// How the tensors of a stage come from other stages and go to them, by the ports of its plan.
struct exchange {
  virtual ~exchange() = default;
  virtual void receive(int port) = 0;  ///< returns when the tensor is there
  virtual void send(int port) = 0;     ///< begins; the tensor stays where it is until it has left
  virtual void after(int action) = 0;  ///< an action is done: a moment for what goes on beside the step
};

class executor {
 public:
  /// What a step needs to know beside its inputs.
  struct step {
    std::uint64_t seed = 0;
    std::uint32_t number = 0, microbatch = 0;
    float share = 1;  ///< of this micro-batch in the loss of the batch: what its backward pass begins with
    std::optional<double> counted_in_batch = {};  ///< what the loss divides by, where it is not to count by itself
    observer* watching = nullptr;
    exchange* ports = nullptr;  ///< of a stage
    bool packs = true;          ///< false: what an earlier micro-batch of this size has packed in the step is used
  };
  /// Which actions run: those up to the backward pass, those from there on, or all.
  enum class part { whole, forward, backward };

  /// Makes the primitives, for the threads that there are now: the step runs on as many. `p` and `parameters` must
  /// outlive the executor. One that `accumulates` adds to the parameters' gradients.
  executor(const program& p, plan made, parameter_store& parameters, bool accumulates = false)
      : program_(&p),
        plan_(std::move(made)),
        calls_(plan_.steps.actions.size()),
        states_(p.operations.size()),
        regions_(static_cast<std::size_t>(first_port_region) + plan_.ports.size()),
        loss_(p.loss == none ? none : p.producers[p.loss]),
        accumulates_(accumulates),
        threads_(primitive_threads()) {
    needed_.activations = plan_.activation_bytes;
    std::vector<preparation> wanted(p.operations.size());
    for (const action& a : plan_.steps.actions) {
      if (a.operation == none) continue;
      preparation& w = wanted[static_cast<std::size_t>(a.operation)];
      w.batch = plan_.batch;
      if (a.kind == action_kind::backward_input || a.kind == action_kind::backward) {
        w.backward_input = true;
        for (bool adds : a.accumulates) w.accumulates_input = w.accumulates_input || adds;
      }
      if (a.kind == action_kind::backward_parameters || a.kind == action_kind::backward) w.backward_parameters = true;
    }
    packed_at_.resize(p.operations.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (wanted[i].batch != 0) prepare(i, wanted[i], wanted);
    for (std::size_t i = 0; i < calls_.size(); ++i) describe(i, parameters);
  }

  const plan& planned() const { return plan_; }
  bool accumulates() const { return accumulates_; }
  /// Those that its primitives are made for.
  int threads() const { return threads_; }
  const regions& needed() const { return needed_; }

  /// Moves to another arena: where its regions begin.
  void bind(std::byte* activations, std::byte* packed, std::byte* scratch) {
    bind(std::array{activations}, packed, scratch);
  }
  /// The regions of a stage: for itself, for what passes, and for each port.
  void bind(std::span<std::byte* const> regions, std::byte* packed, std::byte* scratch) {
    std::ranges::copy(regions, regions_.begin());
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      const action& a = plan_.steps.actions[i];
      if (a.operation == none) continue;
      call& c = calls_[i];
      c.scratch = scratch;
      c.packed = packed + packed_at_[static_cast<std::size_t>(a.operation)];
      point(c.inputs, a.inputs);
      point(c.outputs, a.outputs);
      point(c.saved, a.saved);
      point(c.input_gradients, a.input_gradients);
      point(c.output_gradients, a.output_gradients);
    }
  }

  /// Runs the tape on the program's inputs, behind them the gradients of its outputs where it has no loss. Results are
  /// read into `results`, one for each `fetch` in order.
  void run(const step& s, std::span<const source> inputs, std::span<const std::span<std::byte>> results,
           part which = part::whole) {
    if (primitive_threads() != threads_)
      throw error("a step that was made for " + std::to_string(threads_) + " threads cannot run on " +
                  std::to_string(primitive_threads()) + "; make it and run it in one thread_scope");
    std::size_t fetched = 0, gradients = static_cast<std::size_t>(program_->inputs);
    const std::size_t middle = static_cast<std::size_t>(plan_.steps.backward_begins);
    if (which != part::backward) executed_ = {};
    for (std::size_t i = which == part::backward ? middle : 0; i < (which == part::forward ? middle : calls_.size());
         ++i) {
      const action& a = plan_.steps.actions[i];
      if (s.watching != nullptr) s.watching->before(static_cast<int>(i));
      switch (a.kind) {
        case action_kind::load: {
          const source& from = inputs[static_cast<std::size_t>(plan_.steps.buffers[a.outputs[0]].tensor)];
          from.load(from, shape_of_buffer(a.outputs[0]), address(a.outputs[0]));
          break;
        }
        case action_kind::fetch: {
          const std::span<std::byte> to = results[fetched++];
          if (a.inputs[0] == none)
            std::memset(to.data(), 0, to.size());
          else
            std::memcpy(to.data(), address(a.inputs[0]), to.size());
          break;
        }
        case action_kind::load_gradient: {
          const source& from = inputs[gradients++];
          from.load(from, shape_of_buffer(a.outputs[0]), address(a.outputs[0]));
          break;
        }
        case action_kind::receive:
          s.ports->receive(plan_.steps.buffers[a.outputs[0]].port);
          break;
        case action_kind::send:
          s.ports->send(plan_.steps.buffers[a.inputs[0]].port);
          break;
        case action_kind::pack:
          if (s.packs) run_kernel(a, calls_[i], s);
          break;
        case action_kind::seed: {
          float* const gradient = reinterpret_cast<float*>(address(a.outputs[0]));
          const std::size_t size = plan_.steps.buffers[a.outputs[0]].bytes / sizeof(float);
          for (std::size_t k = 0; k < size; ++k) gradient[k] = s.share;
          break;
        }
        case action_kind::differentiate:
          differentiate(program_->operations[a.operation].gradient_through, floats(a.outputs[0]),
                        floats(a.output_gradients[0]), floats(a.input_gradients[0]), size_of_gradient(a));
          break;
        case action_kind::copy_gradient:
          elementwise(size_of_gradient(a), [from = floats(a.output_gradients[0]),
                                            to = floats(a.input_gradients[0])](std::size_t k) { to[k] = from[k]; });
          break;
        case action_kind::add_gradient:
          elementwise(size_of_gradient(a), [from = floats(a.output_gradients[0]),
                                            to = floats(a.input_gradients[0])](std::size_t k) { to[k] += from[k]; });
          break;
        default:
          run_kernel(a, calls_[i], s);
      }
      ++executed_[static_cast<std::size_t>(a.kind)];
      if (s.watching != nullptr) s.watching->after(static_cast<int>(i));
      if (s.ports != nullptr) s.ports->after(static_cast<int>(i));
    }
  }

  /// How often the last run executed a kind of action.
  std::size_t executed(action_kind kind) const { return executed_[static_cast<std::size_t>(kind)]; }
  /// The same for all kinds. A backward part adds to those of the forward part before it.
  const action_counts& executed() const { return executed_; }

  /// Where a buffer lies in the bound arena.
  std::byte* address(int buffer) const {
    const remat::buffer& b = plan_.steps.buffers[buffer];
    return regions_[static_cast<std::size_t>(b.region)] + b.offset;
  }

 private:
  void run_kernel(const action& a, const call& c, const step& s) const {
    const operation& o = program_->operations[a.operation];
    const random_stream random(s.seed, static_cast<std::uint32_t>(o.occurrence), s.microbatch, s.number);
    const std::optional<double> counted = a.operation == loss_ ? s.counted_in_batch : std::nullopt;
    switch (a.kind) {
      case action_kind::pack:
        o.kernels->pack(pack_pass(c));
        break;
      case action_kind::update_state:
        o.kernels->update_state(update_pass(c));
        break;
      case action_kind::forward:
      case action_kind::recompute:
        o.kernels->forward(forward_pass(c, plan_.is_training, random, counted));
        break;
      case action_kind::backward_parameters:
        o.kernels->backward_parameters(backward_pass(c, random, counted));
        break;
      case action_kind::backward:
        o.kernels->backward(backward_pass(c, random, counted));
        break;
      default:
        o.kernels->backward_input(backward_pass(c, random, counted));
    }
  }

  float* floats(int buffer) const { return reinterpret_cast<float*>(address(buffer)); }
  std::size_t size_of_gradient(const action& a) const {
    return plan_.steps.buffers[a.output_gradients[0]].bytes / sizeof(float);
  }

  const tensor_shape& shape_of_buffer(int b) const { return program_->tensors[plan_.steps.buffers[b].tensor]; }

  /// Operations with equal shapes and needs share what they prepare.
  void prepare(std::size_t i, preparation& w, std::span<const preparation> wanted) {
    const operation& o = program_->operations[i];
    w.module_attributes = o.attributes;
    w.training = plan_.is_training;
    w.activation_after = o.activation_after;
    w.accumulates_parameters = accumulates_;
    if (o.kernels->prepare == nullptr) return;
    for (std::size_t k = 0; k < i && !states_[i]; ++k)
      if (states_[k] && is_same(program_->operations[k], o) && needs_same(wanted[k], w)) states_[i] = states_[k];
    if (!states_[i]) {
      std::vector<tensor_shape> in, out;
      for (int t : o.inputs) in.push_back(program_->tensors[t]);
      for (int t : o.outputs) out.push_back(program_->tensors[t]);
      w.inputs = in;
      w.outputs = out;
      states_[i] = o.kernels->prepare(w);
      w.inputs = w.outputs = {};
    }
    packed_at_[i] = needed_.packed;
    needed_.packed += aligned(states_[i]->packed_bytes);
    if (const std::size_t scratch = aligned(states_[i]->scratch_bytes); scratch > needed_.scratch)
      needed_.scratch = scratch;
  }
  bool is_same(const operation& a, const operation& b) const {
    if (a.kernels != b.kernels || a.attributes != b.attributes || a.inputs.size != b.inputs.size ||
        a.outputs.size != b.outputs.size)
      return false;
    for (int k = 0; k < a.inputs.size; ++k)
      if (program_->tensors[a.inputs[k]] != program_->tensors[b.inputs[k]]) return false;
    for (int k = 0; k < a.outputs.size; ++k)
      if (program_->tensors[a.outputs[k]] != program_->tensors[b.outputs[k]]) return false;
    return true;
  }
  static bool needs_same(const preparation& a, const preparation& b) {
    return a.activation_after == b.activation_after && a.backward_input == b.backward_input &&
           a.backward_parameters == b.backward_parameters && a.accumulates_input == b.accumulates_input &&
           a.accumulates_parameters == b.accumulates_parameters;
  }

  /// Everything of a call but its addresses.
  void describe(std::size_t i, parameter_store& parameters) {
    const action& a = plan_.steps.actions[i];
    if (a.operation == none) return;
    const operation& o = program_->operations[a.operation];
    call& c = calls_[i];
    c.kind = o.kind;
    c.module_attributes = o.attributes;
    c.state = states_[static_cast<std::size_t>(a.operation)].get();
    c.batch = plan_.batch;
    c.input_count = o.inputs.size;
    c.output_count = o.outputs.size;
    c.activation_after = o.activation_after;
    c.accumulates_parameters = accumulates_;
    for (int k = 0; k < o.inputs.size; ++k) c.input_shapes[k] = &program_->tensors[o.inputs[k]];
    for (int k = 0; k < o.outputs.size; ++k) c.output_shapes[k] = &program_->tensors[o.outputs[k]];
    for (int k = 0; k < o.saved.size; ++k) c.saved_shapes[k] = &program_->tensors[o.saved[k]];
    for (int k = 0; k < call::max_tensors; ++k) c.accumulates[k] = a.accumulates[k];
    c.states = parameters.states(o.first_state);
    c.parameters = parameters.values(o.first_parameter);
    c.parameter_gradients = parameters.gradients(o.first_parameter);
  }
  void point(std::byte** addresses, const few<int, operation::max_tensors>& buffers) const {
    for (int k = 0; k < buffers.size; ++k) addresses[k] = buffers[k] == none ? nullptr : address(buffers[k]);
  }

  const program* program_;
  plan plan_;
  std::vector<call> calls_;                        // one for each action
  std::vector<std::shared_ptr<prepared>> states_;  // one for each operation
  std::vector<std::size_t> packed_at_;
  regions needed_;
  std::vector<std::byte*> regions_;  // where each region of the plan begins
  int loss_;                         // the operation that gives it, or none
  bool accumulates_;
  int threads_;
  action_counts executed_ = {};
};

}  // namespace remat
