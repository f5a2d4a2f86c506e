// SPDX-License-Identifier: MIT
/// The gradients of a step, checked: each half of backward runs once, from gradients that have all their contributions
/// in order, and a parameter is updated after everything that reads it.
#pragma once

#include <remat/check/checked_action.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace remat::detail {

class checked_gradients {
 public:
  using kind = value_terms::kind;

  checked_gradients(const program& p, const plan& made, const expected_gradients& expected, value_terms& terms,
                    checked_action& now)
      : p_(p),
        plan_(made),
        gradients_(expected),
        terms_(terms),
        now_(now),
        parameters_(p.operations.size()),
        inputs_(p.operations.size()),
        is_updated_(p.parameters.size()),
        is_summed_(p.parameters.size()),
        operation_of_(p.parameters.size()) {
    for (int i = 0; i < p.operations.count(); ++i)
      for (int k = 0; k < p.operations[i].parameters; ++k) operation_of_[at(p.operations[i].first_parameter + k)] = i;
  }

  /// The gradient of the loss, or of an output, begins.
  void begin(const action& a) {
    const int t = now_.tensor_of(a.outputs[0], true);
    if (a.kind == action_kind::seed)
      now_.require(t == p_.loss, "begins the gradient of what is not the loss");
    else
      now_.require(given_ < gradients_.given().size() && gradients_.given()[given_] == t,
                   "loads a gradient out of order");
    const int number = a.kind == action_kind::seed ? 0 : static_cast<int>(given_++);
    now_.write(a.outputs[0], terms_.of(kind::given, t, number), now_.bytes_of(t, true));
  }
  void copy_or_add(const action& a) {
    const int from = now_.read_any(a.output_gradients[0]), to = now_.tensor_of(a.input_gradients[0], true);
    if (a.kind == action_kind::add_gradient) return now_.add(a.input_gradients[0], from);
    const bool is_converted = p_.gradient_type(now_.tensor_of(a.output_gradients[0], true)) != p_.gradient_type(to);
    now_.write(a.input_gradients[0], is_converted ? terms_.of(kind::converted, from) : from, now_.bytes_of(to, true));
  }
  void differentiate(const action& a) {
    const operation& o = p_.operations[a.operation];
    now_.require(o.gradient_through != activation::none, "goes back through an activation that is not there");
    now_.read(a.outputs[0], terms_.tensor(o.outputs[0]));
    const int from = now_.read_any(a.output_gradients[0]), to = a.input_gradients[0];
    now_.write(to, terms_.of(kind::through, a.operation, from), now_.bytes_of(now_.tensor_of(to, true), true),
               {a.output_gradients[0]});
  }

  void go_back(const action& a) {
    const operation& o = p_.operations[a.operation];
    const int i = a.operation;
    const bool of_parameters = a.kind != action_kind::backward_input,
               of_inputs = a.kind != action_kind::backward_parameters;
    const bool is_joint =
        gradients_.needs_inputs(i) && gradients_.needs_parameters(i) && o.has_joint_backward && !o.is.passes_gradient;
    now_.require(is_joint == (a.kind == action_kind::backward), "is another half of backward than its operation has");
    now_.require(!of_parameters || (gradients_.needs_parameters(i) && !parameters_[at(i)]),
                 "makes gradients of parameters that nobody needs, or twice");
    now_.require(!of_inputs || (gradients_.needs_inputs(i) && !o.is.passes_gradient && !inputs_[at(i)]),
                 "makes gradients of inputs that nobody needs, or twice");
    if (of_parameters) parameters_[at(i)] = true;
    if (of_inputs) inputs_[at(i)] = true;
    reads r = reads::nothing;
    if (of_inputs) r = r | o.backward_input_reads;
    if (of_parameters) r = r | o.backward_parameters_reads;
    now_.read_all(a.inputs, o.inputs, r.input_bits);
    now_.read_all(a.outputs, o.outputs, r.output_bits);
    now_.read_all(a.saved, o.saved, r.saved_bits);
    now_.require(a.output_gradients.size == o.outputs.size, "has other gradients than its operation");
    for (int k = 0; k < o.outputs.size; ++k) {
      const int value = gradients_.of_output(i, k);
      now_.require((value == core::none) == (a.output_gradients.values[k] == core::none),
                   "reads a gradient that is not there");
      if (value != core::none) now_.read(a.output_gradients.values[k], value);
    }
    if (of_inputs) add_contributions(a, o);
    if (of_parameters) make_parameters(o);
  }

  /// Cleared, summed or updated.
  void finish_parameter(const action& a) {
    const int slot = a.parameter;
    now_.require(slot >= 0 && slot < p_.parameters.count() && plan_.updates != updating::after_step,
                 "is about a parameter that is not updated in the step");
    const bool has_buffers = plan_.updates == updating::from_arena;
    if (a.kind == action_kind::clear_gradient) {
      now_.require(has_buffers && !gradients_.needs_parameters(operation_of_[at(slot)]),
                   "clears a gradient that there is");
      return now_.write(gradient_of(slot), terms_.of(kind::of_parameter, slot), parameter_bytes(slot));
    }
    now_.require(p_.parameters[slot].owner == slot && !is_updated_[at(slot)],
                 "updates a parameter twice, or by another's name");
    int places = 0;
    for (int k = 0; k < p_.parameters.count(); ++k) {
      if (p_.parameters[k].owner != slot) continue;
      ++places;
      const int i = operation_of_[at(k)];
      now_.require(!gradients_.needs_parameters(i) || parameters_[at(i)],
                   "updates a parameter before its gradient is there");
      if (has_buffers && (k == slot || a.kind == action_kind::sum_places))
        now_.require(now_.memory().holds(gradient_of(k), terms_.of(kind::of_parameter, k)),
                     "reads a gradient that is not there");
    }
    if (a.kind == action_kind::sum_places) return void(is_summed_[at(slot)] = true);
    now_.require(places == 1 || is_summed_[at(slot)], "updates a parameter from one of its places");
    is_updated_[at(slot)] = true;
  }
  /// Its parameters are what they were at the beginning of the step.
  void use_parameters(const operation& o) const {
    for (int k = 0; k < o.parameters; ++k)
      now_.require(!is_updated_[at(p_.parameters[o.first_parameter + k].owner)], "uses a parameter that was updated");
  }

  void check_end() const {
    for (int i = plan_.covered.first; i < plan_.covered.last; ++i) {
      const bool has_inputs = gradients_.needs_inputs(i) && !p_.operations[i].is.passes_gradient;
      if ((has_inputs && !inputs_[at(i)]) || (gradients_.needs_parameters(i) && !parameters_[at(i)]))
        throw error("operation " + std::to_string(i) + " is not differentiated");
    }
    if (given_ != gradients_.given().size()) throw error("the gradient of an output is never loaded");
    for (int slot = 0; plan_.updates != updating::after_step && slot < p_.parameters.count(); ++slot) {
      bool is_trained = p_.parameters[slot].owner == slot;
      int places = 0;
      for (int k = 0; k < p_.parameters.count(); ++k) {
        if (p_.parameters[k].owner != slot) continue;
        ++places;
        const int i = operation_of_[at(k)];
        is_trained = is_trained && !p_.operations[i].frozen &&
                     (plan_.covered.is_whole() || (i >= plan_.covered.first && i < plan_.covered.last));
      }
      if (is_trained && (places == 1 || plan_.covered.is_whole()) && !is_updated_[at(slot)])
        throw error("parameter " + std::to_string(slot) + " is not updated");
    }
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  void add_contributions(const action& a, const operation& o) {
    now_.require(a.input_gradients.size == o.inputs.size, "has other gradients than its operation");
    for (int k = 0; k < o.inputs.size; ++k) {
      const int b = a.input_gradients.values[k], t = o.inputs.values[k];
      now_.require(gradients_.is_wanted(t) == (b != core::none),
                   "makes a gradient that nobody wants, or leaves one out");
      if (b == core::none) continue;
      const int term = terms_.of(kind::contribution, a.operation, k);
      if (!a.accumulates[k]) {
        now_.write(
            b, term, now_.bytes_of(t, true),
            {o.may_overwrite_input() && k == 0 && reads_gradient_once(a) ? a.output_gradients.values[0] : core::none,
             o.is.overwrites_input && o.reads_first_input_once() && k == 0 ? a.inputs.values[0] : core::none});
        continue;
      }
      now_.add(b, term);
    }
  }

  /// Whether the gradient of no other output is in the first one's buffer.
  static bool reads_gradient_once(const action& a) {
    for (int k = 1; k < a.output_gradients.size; ++k)
      if (a.output_gradients.values[k] == a.output_gradients.values[0]) return false;
    return true;
  }

  void make_parameters(const operation& o) {
    for (int k = 0; k < o.parameters; ++k) {
      const int slot = o.first_parameter + k;
      now_.require(!is_updated_[at(p_.parameters[slot].owner)], "makes a gradient of a parameter that was updated");
      if (plan_.updates != updating::from_arena) continue;
      now_.write(gradient_of(slot), terms_.of(kind::of_parameter, slot), parameter_bytes(slot));
    }
  }
  int gradient_of(int slot) const {
    now_.require(slot < plan_.steps.parameter_gradients.count(), "has no buffer for the gradient of a parameter");
    return plan_.steps.parameter_gradients[slot];
  }
  std::size_t parameter_bytes(int slot) const { return p_.parameters[slot].declared.elements() * sizeof(float); }

  const program& p_;
  const plan& plan_;
  const expected_gradients& gradients_;
  value_terms& terms_;
  checked_action& now_;
  std::vector<bool> parameters_, inputs_;     // of each operation: halves of backward that have run
  std::vector<bool> is_updated_, is_summed_;  // of each parameter
  std::vector<int> operation_of_;             // of each parameter
  std::size_t given_ = 0;                     // gradients of outputs that were loaded
};

}  // namespace remat::detail
