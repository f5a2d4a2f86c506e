// SPDX-License-Identifier: MIT
/// A tape in the making: its actions and buffers so far, and the ports of the slice.
///
/// An action is written after those that are there. A buffer lives from the action that is being written when it is
/// defined to the last one that uses it. A tensor goes to other stages and comes from them through ports (ports.hpp);
/// the whole program has none.
#pragma once

#include <remat/plan/ports.hpp>
#include <remat/plan/tape.hpp>

#include <cstddef>
#include <string_view>

namespace remat::detail {

class tape_builder {
 public:
  constexpr tape_builder(const program& p, const core::list<stage_port>& ports, std::size_t batch)
      : program_(p), tensors_(p.tensors.data()), ports_(ports), has_ports_(!ports.empty()), batch_(batch) {
    if (!has_ports_) return;
    port_of_value_ = port_of_gradient_ = core::list<int>(p.tensors.size(), core::none);
    for (int k = 0; k < ports.count(); ++k)
      (ports[k].is_gradient ? port_of_gradient_ : port_of_value_)[ports[k].tensor] = k;
  }

  constexpr void reserve(std::size_t size) {
    tape_.actions.reserve(size);
    tape_.buffers.reserve(size);
  }
  constexpr void add(const action& a) { ++now_, tape_.actions.push_back(a); }
  /// The action that is being written.
  constexpr int now() const { return now_; }
  /// What follows is a section of this name.
  constexpr void begin_section(std::string_view name) {
    end_section();
    tape_.sections.push_back({name, now_, now_});
  }
  constexpr tape finish() {
    end_section();
    return static_cast<tape&&>(tape_);
  }

  /// A buffer that the action being written makes.
  constexpr int define(int t, bool is_gradient, int port = core::none) {
    const int b = tape_.buffers.count();
    tape_.buffers.push_back({t, is_gradient, program_.bytes_of(t, is_gradient, batch_), now_, now_, b, 0, 0, port});
    buffers_ = tape_.buffers.data();
    return b;
  }
  /// The same, of what tensor t becomes in a storage.
  constexpr int define_stored(int t, const storage_form& form) {
    const int b = define(t, false);
    buffers_[b].bytes = form.bytes(tensors_[t], batch_);
    buffers_[b].form = &form;
    return b;
  }
  /// The action being written reads a buffer, or changes it.
  constexpr int use(int b) { return buffers_[b].last = now_, b; }

  /// The port through which a tensor comes or goes, or `none`.
  constexpr int value_port(int t) const { return has_ports_ ? port_of_value_[t] : core::none; }
  /// The port through which its gradient does.
  constexpr int gradient_port(int t) const { return has_ports_ ? port_of_gradient_[t] : core::none; }
  constexpr bool receives(int port) const { return port != core::none && ports_[port].receives(); }
  constexpr bool sends(int port) const { return port != core::none && ports_[port].sends(); }
  constexpr const storage_form* form_of(int b) const { return tape_.buffers[b].form; }
  constexpr int port_of(int b) const { return tape_.buffers[b].port; }
  constexpr const core::list<stage_port>& ports() const { return ports_; }
  constexpr bool has_ports() const { return has_ports_; }

  /// To other stages, through the port of the buffer.
  constexpr void send(int b) {
    action a{action_kind::send};
    a.inputs.push_back(use(b));
    add(a);
  }
  /// To the user; zeros where there is no buffer.
  constexpr void fetch(int b) {
    action a{action_kind::fetch};
    a.inputs.push_back(b == core::none ? core::none : use(b));
    add(a);
  }

 private:
  constexpr void end_section() {
    if (!tape_.sections.empty()) tape_.sections.back().last = now_;
  }

  const program& program_;
  const tensor_shape* tensors_;
  const core::list<stage_port>& ports_;
  bool has_ports_;
  std::size_t batch_;
  core::list<int> port_of_value_, port_of_gradient_;  // of each tensor; empty where the slice has no ports
  tape tape_;
  int now_ = 0;                // the action that is being written
  buffer* buffers_ = nullptr;  // of the tape
};

}  // namespace remat::detail
