// SPDX-License-Identifier: MIT
/// Writing the tape of a step: the forward pass, and the backward pass with what the segments compute again.
///
/// An addition runs no kernel backward: its inputs have the gradient of its output, in the same buffer, for as long as
/// nobody changes it. Whoever adds to a gradient, or sends it back through an activation in place, while another tensor
/// still waits for the same buffer, copies it first. So a residual's gradient waits in the buffer in which the body
/// reads it, and the body's is added there.
#pragma once

#include <remat/plan/demand.hpp>
#include <remat/plan/share_storage.hpp>
#include <remat/plan/tape.hpp>

#include <cstddef>

namespace remat {

namespace detail {

class tape_writer {
 public:
  constexpr tape_writer(const program& p, std::size_t batch)
      : p_(p), batch_(batch), values_(p.tensors.size(), none), gradients_(p.tensors.size(), none) {
    value_ = values_.data();
    gradient_ = gradients_.data();
  }

  constexpr tape inference() {
    forward(false);
    for (int t : p_.outputs) fetch(t);
    tape_.backward_begins = tape_.actions.count();
    return static_cast<tape&&>(tape_);
  }

  constexpr tape training(const list<segment>& segments, const list<segment_plan>& plans) {
    segments_ = &segments;
    plans_ = &plans;
    needs_ = backward_needs(p_);
    is_dropped_ = list<int>(p_.operations.size());
    tape_.actions.reserve(p_.operations.size() * 4 + 8);
    tape_.buffers.reserve(p_.operations.size() * 4 + 8);
    forward(true);
    if (p_.loss != none) {
      fetch(p_.loss);
      tape_.backward_begins = tape_.actions.count();
      seed(p_.loss, action_kind::seed);
    } else {
      for (int t : p_.outputs) fetch(t);
      tape_.backward_begins = tape_.actions.count();
      for (int t : p_.outputs) seed(t, action_kind::load_gradient);
    }
    backward(none);
    for (int t = 0; t < p_.inputs - p_.targets; ++t)
      if (has_gradient(p_, t)) fetch_gradient(t);
    return static_cast<tape&&>(tape_);
  }

 private:
  constexpr int now() const { return tape_.actions.count(); }

  constexpr int define(int t, bool is_gradient) {
    const int time = now(), b = tape_.buffers.count();
    tape_.buffers.push_back({t, is_gradient, p_.tensors[t].bytes(batch_), time, time, b, 0});
    holders_.push_back(1);
    return b;
  }
  constexpr int use(int b) {
    tape_.buffers[b].last = now();
    return b;
  }
  /// The tensors that the kernel says it reads; it may not touch the others.
  constexpr void use_some(few<int, operation::max_tensors>& slots, const few<int, operation::max_tensors>& tensors,
                          unsigned bits) {
    slots.size = tensors.size;
    for (int k = 0; k < tensors.size; ++k) slots.values[k] = bits >> k & 1 ? use(value_[tensors.values[k]]) : none;
  }

  /// An input comes into the arena when it is first read: a target before the loss, not at the start.
  constexpr void load(int t) {
    action a{action_kind::load};
    a.outputs.push_back(value_[t] = define(t, false));
    tape_.actions.push_back(a);
  }
  constexpr void fetch(int t) {
    if (value_[t] == none) load(t);  // an output that is an input
    action a{action_kind::fetch};
    a.inputs.push_back(use(value_[t]));
    tape_.actions.push_back(a);
  }
  constexpr void seed(int t, action_kind kind) {
    action a{kind};
    a.outputs.push_back(gradient_[t] = define(t, true));
    tape_.actions.push_back(a);
  }
  /// An input that no operation leads from to the loss has a gradient of zeros.
  constexpr void fetch_gradient(int t) {
    action a{action_kind::fetch};
    a.inputs.push_back(gradient_[t] == none ? none : use(gradient_[t]));
    tape_.actions.push_back(a);
  }

  constexpr void forward(bool training) {
    const int operations = training || p_.loss == none ? p_.operations.count() : p_.producers[p_.loss];
    for (int i = 0; i < operations; ++i) {
      if (!p_.operations[i].packs) continue;
      action a{action_kind::pack, i};
      tape_.actions.push_back(a);
    }
    for (int i = 0; i < operations; ++i) compute(i, action_kind::forward, training);
  }

  constexpr void compute(int i, action_kind kind, bool training) {
    const operation& o = p_.operations[i];
    for (int t : o.inputs)
      if (value_[t] == none) load(t);
    action a{kind, i};
    for (int t : o.inputs) a.inputs.push_back(use(value_[t]));
    for (int t : o.outputs) a.outputs.push_back(value_[t] = define(t, false));
    if (training)
      for (int t : o.saved) a.saved.push_back(value_[t] = define(t, false));
    tape_.actions.push_back(a);
    if (training && kind == action_kind::forward && o.updates_state) update_state(i, a);
  }

  constexpr void update_state(int i, const action& forward) {
    action a{action_kind::update_state, i};
    for (int b : forward.inputs) a.inputs.push_back(use(b));
    for (int b : forward.outputs) a.outputs.push_back(use(b));
    for (int b : forward.saved) a.saved.push_back(use(b));
    tape_.actions.push_back(a);
  }

  /// The backward pass of a segment, or of the whole program, in reverse; segments inside it are recomputed on the way.
  constexpr void backward(int s) {
    const int first = s == none ? 0 : (*segments_)[s].first;
    int i = s == none ? p_.operations.count() : (*segments_)[s].last;
    int child = last_child(s);
    while (i > first) {
      if (child != none && (*segments_)[child].last == i) {
        for (int t : (*plans_)[child].demand) ensure(t);
        begin_recomputation(child);
        backward(child);
        i = (*segments_)[child].first;
        child = previous_child(child, s);
      } else {
        --i;
        each_read(p_.operations[i], needs_[i], [this](int t) { ensure(t); });
        backward_of(i);
      }
    }
  }

  /// What the segment's backward reads first of all that was dropped is computed before it begins, while one gradient
  /// waits; the rest when it is read.
  constexpr void begin_recomputation(int s) {
    for (int again : (*plans_)[s].recomputed) is_dropped_[again] = 1;
    if ((*plans_)[s].recomputed.empty()) return;
    bool found = false;
    for (int i = (*segments_)[s].last; !found && i-- > (*segments_)[s].first;)
      each_read(p_.operations[i], needs_[i], [&](int t) {
        const int producer = p_.producers[t];
        found = found || (producer != none && is_dropped_[producer]);
        ensure(t);
      });
  }

  /// Before tensor t is read: computes it again where it was dropped, from what is there. Not sooner, so that a segment
  /// whose policy keeps something within it is computed again piece by piece.
  constexpr void ensure(int t) {
    const int producer = p_.producers[t];
    if (producer == none || !is_dropped_[producer]) return;
    again_.clear();
    is_dropped_[producer] = 2;  // found, and about to run
    for (int i = producer, open = 1; open > 0; --i) {
      if (is_dropped_[i] != 2) continue;
      --open;
      again_.push_back(i);
      for (int input : p_.operations[i].inputs) {
        const int before = p_.producers[input];
        if (before == none || is_dropped_[before] != 1) continue;
        is_dropped_[before] = 2;
        ++open;
      }
    }
    for (int k = again_.count(); k-- > 0;) {
      is_dropped_[again_[k]] = 0;
      compute(again_[k], action_kind::recompute, true);
    }
  }
  constexpr int last_child(int s) const {
    int c = segments_->count();
    if (s != none) {
      c = s + 1;
      while (c < segments_->count() && (*segments_)[c].first < (*segments_)[s].last) ++c;
    }
    return previous_child(c, s);
  }
  /// Segments stand in preorder: the way back to the previous sibling passes only its descendants.
  constexpr int previous_child(int c, int parent) const {
    for (--c; c > parent; --c)
      if ((*segments_)[c].parent == parent) return c;
    return none;
  }

  constexpr void backward_of(int i) {
    const operation& o = p_.operations[i];
    const backward_need need = needs_[i];
    if (!need.any()) return;
    if (o.gradient_through != activation::none) differentiate(i);
    if (o.passes_gradient) {
      pass_gradient(o);
    } else if (need.input && need.parameters && o.has_joint_backward) {
      backward_input(i, action_kind::backward, o.backward_input_reads | o.backward_parameters_reads);
    } else {
      if (need.parameters)
        tape_.actions.push_back(reading(o, o.backward_parameters_reads, {action_kind::backward_parameters, i}));
      if (need.input) backward_input(i, action_kind::backward_input, o.backward_input_reads);
    }
    for (int t : o.outputs)
      if (gradient_[t] != none) --holders_[gradient_[t]];
  }

  /// In place, or out of a buffer that another gradient still needs.
  constexpr void differentiate(int i) {
    const int t = p_.operations[i].outputs[0];
    const int from = gradient_[t];
    action a{action_kind::differentiate, i};
    a.outputs.push_back(use(value_[t]));
    a.output_gradients.push_back(use(from));
    if (holders_[from] > 1) {
      --holders_[from];
      gradient_[t] = define(t, true);
    }
    a.input_gradients.push_back(gradient_[t]);
    tape_.actions.push_back(a);
  }

  constexpr void pass_gradient(const operation& o) {
    const int passed = gradient_[o.outputs[0]];
    for (int t : o.inputs) {
      if (!wants_gradient(t)) continue;
      if (gradient_[t] == none) {
        gradient_[t] = passed;
        ++holders_[passed];
        continue;
      }
      own_gradient(t);
      action a{action_kind::add_gradient};
      a.output_gradients.push_back(use(passed));
      a.input_gradients.push_back(use(gradient_[t]));
      tape_.actions.push_back(a);
    }
  }

  /// Before somebody adds to the gradient of t.
  constexpr void own_gradient(int t) {
    const int shared = gradient_[t];
    if (holders_[shared] == 1) return;
    --holders_[shared];
    action a{action_kind::copy_gradient};
    a.output_gradients.push_back(use(shared));
    a.input_gradients.push_back(gradient_[t] = define(t, true));
    tape_.actions.push_back(a);
  }

  constexpr void backward_input(int i, action_kind kind, reads r) {
    const operation& o = p_.operations[i];
    for (int t : o.inputs)
      if (gradient_[t] != none && wants_gradient(t)) own_gradient(t);
    action a = reading(o, r, {kind, i});
    for (int k = 0; k < o.inputs.size; ++k) {
      const int t = o.inputs[k];
      if (!wants_gradient(t)) {
        a.input_gradients.push_back(none);
      } else if (gradient_[t] == none) {
        a.input_gradients.push_back(gradient_[t] = define(t, true));
      } else {
        a.accumulates[k] = true;
        a.input_gradients.push_back(use(gradient_[t]));
      }
    }
    tape_.actions.push_back(a);
  }

  constexpr bool wants_gradient(int t) const {
    const int producer = p_.producers[t];
    return producer == none ? t < p_.inputs - p_.targets && has_gradient(p_, t) : needs_[producer].any();
  }
  constexpr action reading(const operation& o, reads r, action a) {
    use_some(a.inputs, o.inputs, r.input_bits);
    use_some(a.outputs, o.outputs, r.output_bits);
    use_some(a.saved, o.saved, r.saved_bits);
    for (int t : o.outputs) a.output_gradients.push_back(gradient_[t] == none ? none : use(gradient_[t]));
    return a;
  }

  const program& p_;
  std::size_t batch_;
  const list<segment>* segments_ = nullptr;
  const list<segment_plan>* plans_ = nullptr;
  list<backward_need> needs_;
  list<int> is_dropped_;  // operations that the segments entered so far compute again, and have not yet
  list<int> again_;
  list<int> values_, gradients_;
  list<int> holders_;  // per buffer of a gradient: the tensors whose gradient it is, and whose backward is to come
  int *value_ = nullptr, *gradient_ = nullptr;  // the newest buffer of each tensor and of its gradient
  tape tape_;
};

}  // namespace detail

/// The tape of a training step under the checkpoints of the program.
constexpr tape write_training_tape(const program& p, const list<segment>& segments, const list<segment_plan>& plans,
                                   std::size_t batch) {
  tape t = detail::tape_writer(p, batch).training(segments, plans);
  skip_unread_outputs(p, t);
  share_storage(p, t);
  return t;
}

/// The tape of a forward pass that keeps nothing; without the loss.
constexpr tape write_inference_tape(const program& p, std::size_t batch) {
  tape t = detail::tape_writer(p, batch).inference();
  share_storage(p, t);
  return t;
}

}  // namespace remat
