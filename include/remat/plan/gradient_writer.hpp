// SPDX-License-Identifier: MIT
/// The gradients of a step: how they begin, go back through one operation after another, and leave the slice.
///
/// An addition runs no kernel backward: its inputs have the gradient of its output, in the same buffer, for as long as
/// nobody changes it. Whoever adds to a gradient, or sends it back through an activation in place, while another tensor
/// still waits for the same buffer, copies it first. So a residual's gradient waits in the buffer in which the body
/// reads it, and the body's is added there. An input whose gradient is of another type has a copy of its own.
///
/// Where a slice halves its backward, the gradients of parameters wait for a section of their own, and hold the
/// gradients that they read until then. Operations that compute both halves at once do so in the first.
#pragma once

#include <remat/plan/backward_needs.hpp>
#include <remat/plan/slice.hpp>
#include <remat/plan/tape_builder.hpp>
#include <remat/plan/value_writer.hpp>

namespace remat::detail {

class gradient_writer {
 public:
  constexpr gradient_writer(const program& p, const slice& covered, const core::list<backward_need>& needs,
                            const value_writer& values, tape_builder& out)
      : p_(p),
        needs_(needs),
        values_(values),
        out_(out),
        has_ports_(out.has_ports()),
        postpones_(covered.halves_backward),
        gradients_(p.tensors.size(), core::none),
        gradient_(gradients_.data()) {
    if (has_ports_) find_first_readers(covered);
  }

  /// The user's gradient of an output. A tensor may be several outputs: their gradients are added up.
  constexpr void load(int t) {
    const int before = gradient_[t];
    begin(t, action_kind::load_gradient);
    if (before == core::none) return;
    action a{action_kind::add_gradient};
    a.output_gradients.push_back(out_.use(gradient_[t]));
    a.input_gradients.push_back(out_.use(before));
    out_.add(a);
    gradient_[t] = before;
  }

  /// The gradient of t begins here: at the loss, or at a port.
  constexpr void begin(int t, action_kind kind, int port = core::none) {
    action a{kind};
    a.outputs.push_back(define(t, port));
    out_.add(a);
  }

  /// Both halves of the backward pass of operation i, as far as they are needed, or the first. What they read is there.
  constexpr void backward(int i) {
    const operation& o = p_.operations.data()[i];
    const backward_need need = needs_.data()[i];
    if (!need.any()) return;
    if (has_ports_)
      for (int t : o.outputs) await(t);
    if (o.gradient_through != activation::none) differentiate(i);
    if (o.is.passes_gradient) {
      if (need.parameters) backward_parameters(i);
      pass_on(o);
    } else if (need.input && need.parameters && o.has_joint_backward) {
      backward_input(i, action_kind::backward, o.backward_input_reads | o.backward_parameters_reads);
    } else {
      if (need.parameters) backward_parameters(i);
      if (need.input) backward_input(i, action_kind::backward_input, o.backward_input_reads);
    }
    for (int k = 0; k < o.outputs.size; ++k)
      if (gradient_[o.outputs.values[k]] != core::none) --holders_.data()[gradient_[o.outputs.values[k]]];
    if (need.input && has_ports_)
      for (int t : o.inputs)
        if (first_readers_[t] == i) send(t);
  }

  /// The second half of what has been written so far.
  constexpr void add_postponed() {
    for (const action& a : postponed_) {
      for (const auto* read : {&a.inputs, &a.outputs, &a.saved, &a.output_gradients})
        for (int k = 0; k < read->size; ++k)
          if (read->values[k] != core::none) out_.use(read->values[k]);
      out_.add(a);
    }
    postponed_.clear();
  }

  /// An input that no operation leads from to the loss has a gradient of zeros.
  constexpr void fetch(int t) { out_.fetch(gradient_[t]); }

 private:
  /// For each tensor whose gradient this slice sends, the operation that contributes to it last.
  constexpr void find_first_readers(const slice& covered) {
    first_readers_ = core::list<int>(p_.tensors.size(), core::none);
    for (int i = covered.last; i-- > covered.first;) {
      if (!needs_[i].input) continue;
      for (int t : p_.operations[i].inputs)
        if (out_.sends(out_.gradient_port(t))) first_readers_[t] = i;
    }
  }

  /// A buffer for the gradient of t, which alone holds it.
  constexpr int define(int t, int port = core::none) {
    const int b = out_.define(t, true, port);
    while (holders_.count() <= b) holders_.push_back(1);
    return gradient_[t] = b;
  }
  /// A gradient that another stage began comes in when it is first needed, after what can be computed again meanwhile.
  constexpr void await(int t) {
    const int port = out_.gradient_port(t);
    if (out_.receives(port) && gradient_[t] == core::none) begin(t, action_kind::receive, port);
  }
  /// The port of a gradient that begins here.
  constexpr int made_port(int t) const {
    const int port = out_.gradient_port(t);
    return out_.receives(port) ? core::none : port;
  }
  constexpr void send(int t) {
    const int port = out_.gradient_port(t), made = gradient_[t];
    first_readers_[t] = core::none;
    if (out_.port_of(made) != port) copy(t, port);
    out_.send(gradient_[t]);
    --holders_[gradient_[t]];
  }

  constexpr void copy(int t, int port) {
    const int from = gradient_[t];
    --holders_[from];
    action a{action_kind::copy_gradient};
    a.output_gradients.push_back(out_.use(from));
    a.input_gradients.push_back(define(t, port));
    out_.add(a);
  }
  /// Before somebody adds to the gradient of t.
  constexpr void own(int t) {
    if (holders_[gradient_[t]] > 1) copy(t, has_ports_ ? made_port(t) : core::none);
  }

  /// In place, or out of a buffer that another gradient still needs.
  constexpr void differentiate(int i) {
    const int t = p_.operations[i].outputs[0];
    const int from = gradient_[t];
    action a{action_kind::differentiate, i};
    a.outputs.push_back(out_.use(values_.newest(t)));
    a.output_gradients.push_back(out_.use(from));
    if (holders_[from] > 1) {
      --holders_[from];
      define(t);
    }
    a.input_gradients.push_back(gradient_[t]);
    out_.add(a);
  }

  constexpr void pass_on(const operation& o) {
    const int passed = gradient_[o.outputs[0]];
    for (int t : o.inputs) {
      if (!is_wanted(t)) continue;
      await(t);
      const bool is_first = gradient_[t] == core::none;
      if (is_first && p_.gradient_type(t) == p_.gradient_type(o.outputs[0])) {
        gradient_[t] = passed;
        ++holders_[passed];
        continue;
      }
      if (!is_first) own(t);
      action a{is_first ? action_kind::copy_gradient : action_kind::add_gradient};
      a.output_gradients.push_back(out_.use(passed));
      a.input_gradients.push_back(is_first ? define(t, has_ports_ ? made_port(t) : core::none)
                                           : out_.use(gradient_[t]));
      out_.add(a);
    }
  }

  /// Now, or when all gradients of inputs are there: then from the same buffers, which nobody changes meanwhile.
  constexpr void backward_parameters(int i) {
    const operation& o = p_.operations[i];
    const action a = reading(o, o.backward_parameters_reads, {action_kind::backward_parameters, i});
    if (!postpones_) return out_.add(a);
    for (int t : o.outputs)
      if (gradient_[t] != core::none) ++holders_[gradient_[t]];
    postponed_.push_back(a);
  }

  constexpr void backward_input(int i, action_kind kind, reads r) {
    const operation& o = p_.operations[i];
    bool wanted[operation::max_tensors] = {};
    for (int k = 0; k < o.inputs.size; ++k) {
      const int t = o.inputs.values[k];
      if (!(wanted[k] = is_wanted(t))) continue;
      if (has_ports_) await(t);
      if (gradient_[t] != core::none) own(t);
    }
    action a = reading(o, r, {kind, i});
    a.input_gradients.size = o.inputs.size;
    for (int k = 0; k < o.inputs.size; ++k) {
      const int t = o.inputs.values[k];
      a.accumulates[k] = wanted[k] && gradient_[t] != core::none;  // of an input that comes twice, the second time
      a.input_gradients.values[k] = !wanted[k]         ? core::none
                                    : a.accumulates[k] ? out_.use(gradient_[t])
                                                       : define(t, has_ports_ ? made_port(t) : core::none);
    }
    out_.add(a);
  }

  constexpr bool is_wanted(int t) const { return is_differentiated(p_, needs_, t); }
  constexpr action reading(const operation& o, reads r, action a) {
    use_some(a.inputs, o.inputs, r.input_bits);
    use_some(a.outputs, o.outputs, r.output_bits);
    use_some(a.saved, o.saved, r.saved_bits);
    a.output_gradients.size = o.outputs.size;
    for (int k = 0; k < o.outputs.size; ++k) {
      const int gradient = gradient_[o.outputs.values[k]];
      a.output_gradients.values[k] = gradient == core::none ? core::none : out_.use(gradient);
    }
    return a;
  }
  /// The tensors that the kernel says it reads; it may not touch the others.
  constexpr void use_some(core::short_list<int, operation::max_tensors>& slots,
                          const core::short_list<int, operation::max_tensors>& tensors, unsigned bits) {
    slots.size = tensors.size;
    for (int k = 0; k < tensors.size; ++k)
      slots.values[k] = bits >> k & 1 ? out_.use(values_.newest(tensors.values[k])) : core::none;
  }

  const program& p_;
  const core::list<backward_need>& needs_;
  const value_writer& values_;
  tape_builder& out_;
  bool has_ports_;
  core::list<int> first_readers_;  // of each tensor; empty where the slice has no ports
  core::list<int>
      holders_;  // per buffer of a gradient: the tensors whose gradient it is, and whose backward is to come
  bool postpones_;
  core::list<action> postponed_;
  core::list<int> gradients_;
  int* gradient_;  // the newest buffer of each tensor's gradient
};

}  // namespace remat::detail
