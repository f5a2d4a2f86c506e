// SPDX-License-Identifier: MIT
/// Reads a tape action by action, and what each buffer holds meanwhile: every read finds what the program says, and
/// everything that a step has to do is done once.
#pragma once

#include <remat/check/checked_action.hpp>
#include <remat/check/checked_gradients.hpp>
#include <remat/check/checked_values.hpp>
#include <remat/check/expected_gradients.hpp>
#include <remat/plan/slice.hpp>

#include <cstddef>
#include <vector>

namespace remat::detail {

class tape_checker {
 public:
  tape_checker(const program& p, const plan& made)
      : p_(p),
        plan_(made),
        expected_(p, made.covered, made.ports, terms_),
        now_(p, made, terms_),
        values_(p, made, terms_, now_),
        gradients_(p, made, expected_, terms_, now_),
        sent_(made.ports.size()),
        received_(made.ports.size()) {
    find_results();
  }

  void check() {
    check_sections();
    now_.memory().check_layout();
    for (int i = 0; i < plan_.steps.actions.count(); ++i) {
      now_.begin(i);
      run(plan_.steps.actions[i]);
      now_.end();
    }
    values_.check_end();
    if (plan_.is_training) gradients_.check_end();
    if (given_ != results_.size()) throw error("a result of the step is never given");
    for (int k = 0; k < plan_.ports.count(); ++k)
      if (sent_[static_cast<std::size_t>(k)] != plan_.ports[k].sends() ||
          received_[static_cast<std::size_t>(k)] != plan_.ports[k].receives())
        throw error("a message of the stage is never sent or received");
  }

 private:
  void check_sections() const {
    int end = 0;
    for (const section& s : plan_.steps.sections) {
      if (s.first != end || s.last < s.first) throw error("sections of the tape do not follow one another");
      end = s.last;
    }
    if (end != plan_.steps.actions.count()) throw error("sections of the tape end before it");
  }
  void find_results() {
    if (!plan_.is_training || p_.loss == core::none) {
      for (const int t : p_.outputs)
        if (is_made_in(p_, plan_.covered, t)) results_.push_back(terms_.tensor(t));
    } else if (is_made_in(p_, plan_.covered, p_.loss)) {
      results_.push_back(terms_.tensor(p_.loss));
    }
    for (int t = 0; plan_.is_training && t < p_.inputs - p_.targets; ++t)
      if (p_.input_gradients && p_.tensors[t].type == element::float32) results_.push_back(expected_.final_of(t));
  }

  void run(const action& a) {
    using enum action_kind;
    if (a.operation != core::none) {
      now_.require(a.operation >= plan_.covered.first && a.operation < plan_.covered.last,
                   "is of an operation that the plan does not cover");
      gradients_.use_parameters(p_.operations[a.operation]);
    }
    switch (a.kind) {
      case pack:  // into memory of the kernels
        return;
      case load:
      case store:
      case restore:
        return values_.move(a);
      case begin_write:
      case finish_write:
      case begin_read:
      case finish_read:
        return values_.transfer(a);
      case forward:
      case recompute:
        return values_.compute(a);
      case update_state:
        return values_.update_state(a);
      case receive:
      case send:
        return exchange(a);
      case seed:
      case load_gradient:
        return gradients_.begin(a);
      case copy_gradient:
      case add_gradient:
        return gradients_.copy_or_add(a);
      case differentiate:
        return gradients_.differentiate(a);
      case backward_parameters:
      case backward_input:
      case backward:
        return gradients_.go_back(a);
      case clear_gradient:
      case sum_places:
      case update:
        return gradients_.finish_parameter(a);
      case fetch: {
        now_.require(given_ < results_.size(), "gives more results than a step has");
        const int value = results_[given_++];
        now_.require((value == core::none) == (a.inputs[0] == core::none), "gives a result that is not there, or none");
        if (value != core::none) now_.read(a.inputs[0], value);
      }
    }
  }

  void exchange(const action& a) {
    const bool sends = a.kind == action_kind::send;
    const int b = sends ? a.inputs[0] : a.outputs[0], number = now_.buffer_of(b).port;
    now_.require(number >= 0 && number < plan_.ports.count(), "is a message of no port");
    const stage_port& port = plan_.ports[number];
    now_.require(sends ? port.sends() : port.receives(), "is a message that its port does not have");
    std::vector<bool>& messages = sends ? sent_ : received_;
    now_.require(!messages[static_cast<std::size_t>(number)], "is a message that was there before");
    messages[static_cast<std::size_t>(number)] = true;
    now_.require(plan_.steps.section_of(now_.number()) == (port.is_gradient ? backward_section : forward_section),
                 "is a message in another section than its values are made in");
    const int t = port.tensor;
    if (sends) {
      now_.read(b, port.is_gradient ? expected_.final_of(t) : terms_.tensor(t));
      return now_.keep(b);
    }
    const int value =
        port.is_gradient ? terms_.of(value_terms::kind::given, t, expected_gradients::received) : terms_.tensor(t);
    now_.write(b, value, now_.bytes_of(t, port.is_gradient));
  }

  const program& p_;
  const plan& plan_;
  value_terms terms_;
  expected_gradients expected_;
  checked_action now_;
  checked_values values_;
  checked_gradients gradients_;
  std::vector<int> results_;  // what the step gives, in order
  std::size_t given_ = 0;
  std::vector<bool> sent_, received_;  // of each port
};

}  // namespace remat::detail
