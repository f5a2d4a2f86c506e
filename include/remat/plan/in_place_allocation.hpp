// SPDX-License-Identifier: MIT
/// Memory of what works in place: an output without an allocation of its own.
#pragma once

#include <remat/plan/tape.hpp>

namespace remat {

/// Whether an action makes all of the gradient of its first input, which then may be written over what it reads.
constexpr bool makes_first_gradient(const action& a) {
  return (a.kind == action_kind::backward_input || a.kind == action_kind::backward) && !a.accumulates[0];
}
/// Whether one buffer may have the memory of another, of which it is made.
constexpr bool may_have_memory_of(const buffer& from, const buffer& made) {
  return from.bytes == made.bytes && from.port == core::none && made.port == core::none;
}

/// Where a kernel may write over what it reads and nobody needs that any more, its output moves into the buffer of its
/// input; backward, into that of its output's gradient, or of its input.
constexpr void work_in_place(const program& p, tape& t) {
  buffer* const buffers = t.buffers.data();
  const action* const actions = t.actions.data();
  const operation* const operations = p.operations.data();
  auto root = [=](int b) {
    while (buffers[b].allocation != b) b = buffers[b].allocation;
    return b;
  };
  auto reads_gradient_once = [=](const action& a) {  // and that of no other output is the first one's buffer
    for (int k = 1; k < a.output_gradients.size; ++k)
      if (a.output_gradients[k] != core::none && root(a.output_gradients[k]) == root(a.output_gradients[0]))
        return false;
    return true;
  };
  for (int now = 0, end = t.actions.count(); now < end; ++now) {
    const action& a = actions[now];
    if (a.operation == core::none) continue;
    const operation& o = operations[a.operation];
    if (!o.is.in_place && !o.is.overwrites_input) continue;
    const bool forward = a.kind == action_kind::forward || a.kind == action_kind::recompute;
    if (!forward && !makes_first_gradient(a)) continue;
    const int to = forward ? a.outputs[0] : a.input_gradients[0];
    int from[2] = {core::none, core::none};
    if (o.may_overwrite_input() && (forward || reads_gradient_once(a)))
      from[0] = forward ? a.inputs[0] : a.output_gradients[0];
    if (!forward && o.is.overwrites_input && o.reads_first_input_once()) from[1] = a.inputs[0];
    for (int each : from) {
      if (each == core::none || to == core::none) continue;
      buffer& held = buffers[root(each)];
      buffer& moved = buffers[to];
      if (held.last != now || !may_have_memory_of(held, moved)) continue;
      moved.allocation = held.allocation;
      held.last = moved.last;
      break;
    }
  }
  for (int b = 0, end = t.buffers.count(); b < end; ++b)
    if (buffers[b].allocation != b) buffers[b].allocation = root(b);
}

}  // namespace remat
