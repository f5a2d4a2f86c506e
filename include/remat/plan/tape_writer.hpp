// SPDX-License-Identifier: MIT
/// Writing the tape of a step: the forward pass, and the backward pass with what the segments compute again.
///
/// An addition runs no kernel backward: its inputs have the gradient of its output, in the same buffer, for as long as
/// nobody changes it. Whoever adds to a gradient, or sends it back through an activation in place, while another tensor
/// still waits for the same buffer, copies it first. So a residual's gradient waits in the buffer in which the body
/// reads it, and the body's is added there.
#pragma once

#include <remat/plan/demand.hpp>
#include <remat/plan/ports.hpp>
#include <remat/plan/share_storage.hpp>
#include <remat/plan/tape.hpp>

#include <cstddef>

namespace remat {

namespace detail {

class tape_writer {
 public:
  constexpr tape_writer(const program& p, const slice& covered, const list<port>& ports, std::size_t batch)
      : p_(p),
        covered_(covered),
        batch_(batch),
        ports_(&ports),
        values_(p.tensors.size(), none),
        gradients_(p.tensors.size(), none) {
    value_ = values_.data();
    gradient_ = gradients_.data();
    if (ports.empty()) return;
    port_of_value_ = port_of_gradient_ = list<int>(p.tensors.size(), none);
    for (int k = 0; k < ports.count(); ++k)
      (ports[k].is_gradient ? port_of_gradient_ : port_of_value_)[ports[k].tensor] = k;
  }

  constexpr tape inference() {
    forward(false);
    fetch_outputs();
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
    find_first_readers();
    if (p_.loss != none) {
      if (makes(p_.loss)) fetch(p_.loss);
      tape_.backward_begins = tape_.actions.count();
      if (makes(p_.loss)) seed(p_.loss, action_kind::seed);
    } else {
      fetch_outputs();
      tape_.backward_begins = tape_.actions.count();
      for (int t : p_.outputs)
        if (makes(t)) seed(t, action_kind::load_gradient);
    }
    backward(none);
    for (int t = 0; t < p_.inputs - p_.targets; ++t)
      if (has_gradient(p_, t)) fetch_gradient(t);
    return static_cast<tape&&>(tape_);
  }

 private:
  constexpr int now() const { return tape_.actions.count(); }

  constexpr int define(int t, bool is_gradient, int port = none) {
    const int time = now(), b = tape_.buffers.count();
    tape_.buffers.push_back({t, is_gradient, p_.tensors[t].bytes(batch_), time, time, b, 0, 0, port});
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

  /// Whether tensor t comes from an operation of the slice, or is an input that the slice may read.
  constexpr bool makes(int t) const {
    const int producer = p_.producers[t];
    return producer == none ? covered_.first == 0 : producer >= covered_.first && producer < covered_.last;
  }
  /// The ports through which a tensor and its gradient come and go, or `none`.
  constexpr int value_port(int t) const { return port_of_value_.empty() ? none : port_of_value_[t]; }
  constexpr int gradient_port(int t) const { return port_of_gradient_.empty() ? none : port_of_gradient_[t]; }
  /// The port of a gradient that begins here.
  constexpr int made_port(int t) const {
    const int port = gradient_port(t);
    return port != none && !(*ports_)[port].receives() ? port : none;
  }

  /// An input comes into the arena when it is first read: a target before the loss, not at the start.
  constexpr void obtain(int t) {
    const int port = value_port(t);
    action a{port != none && (*ports_)[port].receives() ? action_kind::receive : action_kind::load};
    a.outputs.push_back(value_[t] = define(t, false, port));
    tape_.actions.push_back(a);
  }
  constexpr void send(int b) {
    action a{action_kind::send};
    a.inputs.push_back(use(b));
    tape_.actions.push_back(a);
  }
  constexpr void send_value(int t) {
    const int port = value_port(t);
    if (port != none && (*ports_)[port].sends()) send(value_[t]);
  }
  constexpr void fetch_outputs() {
    for (int t : p_.outputs)
      if (makes(t)) fetch(t);
  }
  constexpr void fetch(int t) {
    if (value_[t] == none) obtain(t);  // an output that is an input
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
    const int end = end_of_pass(p_, training) < covered_.last ? end_of_pass(p_, training) : covered_.last;
    for (int i = covered_.first; i < end; ++i) {
      if (!p_.operations[i].packs) continue;
      action a{action_kind::pack, i};
      tape_.actions.push_back(a);
    }
    for (const port& each : *ports_) {  // inputs that enter here
      if (!each.sends() || each.is_gradient || p_.producers[each.tensor] != none) continue;
      obtain(each.tensor);
      send_value(each.tensor);
    }
    for (int i = covered_.first; i < end; ++i) compute(i, action_kind::forward, training);
  }

  constexpr void compute(int i, action_kind kind, bool training) {
    const operation& o = p_.operations[i];
    for (int t : o.inputs)
      if (value_[t] == none) obtain(t);
    action a{kind, i};
    for (int t : o.inputs) a.inputs.push_back(use(value_[t]));
    const bool is_first = kind == action_kind::forward;
    for (int t : o.outputs) a.outputs.push_back(value_[t] = define(t, false, is_first ? value_port(t) : none));
    if (training)
      for (int t : o.saved) a.saved.push_back(value_[t] = define(t, false));
    tape_.actions.push_back(a);
    if (!is_first) return;
    for (int t : o.outputs) send_value(t);
    if (training && o.updates_state) update_state(i, a);
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
    const int first = s == none ? covered_.first : (*segments_)[s].first;
    int i = s == none ? covered_.last : (*segments_)[s].last;
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
    for (int t : o.outputs) await_gradient(t);
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
    if (need.input && !first_readers_.empty())
      for (int t : o.inputs)
        if (first_readers_[t] == i) send_gradient(t);
  }

  /// For each tensor whose gradient this slice sends, the operation that contributes to it last.
  constexpr void find_first_readers() {
    if (port_of_gradient_.empty()) return;
    first_readers_ = list<int>(p_.tensors.size(), none);
    for (int i = covered_.last; i-- > covered_.first;) {
      if (!needs_[i].input) continue;
      for (int t : p_.operations[i].inputs)
        if (gradient_port(t) != none && (*ports_)[gradient_port(t)].sends()) first_readers_[t] = i;
    }
  }

  /// A gradient that another stage began comes in when it is first needed, behind what can be computed again meanwhile.
  constexpr void await_gradient(int t) {
    const int port = gradient_port(t);
    if (port == none || !(*ports_)[port].receives() || gradient_[t] != none) return;
    action a{action_kind::receive};
    a.outputs.push_back(gradient_[t] = define(t, true, port));
    tape_.actions.push_back(a);
  }

  constexpr void send_gradient(int t) {
    const int port = gradient_port(t), made = gradient_[t];
    first_readers_[t] = none;
    if (tape_.buffers[made].port != port) copy_gradient(t, port);
    send(gradient_[t]);
    --holders_[gradient_[t]];
  }

  constexpr void copy_gradient(int t, int port) {
    const int from = gradient_[t];
    --holders_[from];
    action a{action_kind::copy_gradient};
    a.output_gradients.push_back(use(from));
    a.input_gradients.push_back(gradient_[t] = define(t, true, port));
    tape_.actions.push_back(a);
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
      await_gradient(t);
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
    if (holders_[gradient_[t]] > 1) copy_gradient(t, made_port(t));
  }

  constexpr void backward_input(int i, action_kind kind, reads r) {
    const operation& o = p_.operations[i];
    for (int t : o.inputs) {
      if (!wants_gradient(t)) continue;
      await_gradient(t);
      if (gradient_[t] != none) own_gradient(t);
    }
    action a = reading(o, r, {kind, i});
    for (int k = 0; k < o.inputs.size; ++k) {
      const int t = o.inputs[k];
      if (!wants_gradient(t)) {
        a.input_gradients.push_back(none);
      } else if (gradient_[t] == none) {
        a.input_gradients.push_back(gradient_[t] = define(t, true, made_port(t)));
      } else {
        a.accumulates[k] = true;
        a.input_gradients.push_back(use(gradient_[t]));
      }
    }
    tape_.actions.push_back(a);
  }

  constexpr bool wants_gradient(int t) const { return is_differentiated(p_, needs_, t); }
  constexpr action reading(const operation& o, reads r, action a) {
    use_some(a.inputs, o.inputs, r.input_bits);
    use_some(a.outputs, o.outputs, r.output_bits);
    use_some(a.saved, o.saved, r.saved_bits);
    for (int t : o.outputs) a.output_gradients.push_back(gradient_[t] == none ? none : use(gradient_[t]));
    return a;
  }

  const program& p_;
  slice covered_;
  std::size_t batch_;
  const list<port>* ports_;
  list<int> port_of_value_, port_of_gradient_;  // of each tensor; empty where the slice has no ports
  list<int> first_readers_;                     // the same
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
constexpr tape write_training_tape(const program& p, const slice& covered, const list<port>& ports,
                                   const list<segment>& segments, const list<segment_plan>& plans, std::size_t batch) {
  tape t = detail::tape_writer(p, covered, ports, batch).training(segments, plans);
  skip_unread_outputs(p, t);
  share_storage(p, t);
  return t;
}

/// The tape of a forward pass that keeps nothing; without the loss.
constexpr tape write_inference_tape(const program& p, const slice& covered, const list<port>& ports,
                                    std::size_t batch) {
  tape t = detail::tape_writer(p, covered, ports, batch).inference();
  share_storage(p, t);
  return t;
}

}  // namespace remat
