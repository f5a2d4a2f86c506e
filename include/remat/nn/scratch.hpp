// SPDX-License-Identifier: MIT
/// A kernel's scratch: temporaries of its own first, then what its primitives ask for.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/kernel.hpp>
#include <remat/nn/onednn.hpp>

#include <cstddef>

namespace remat::nn {

/// Is told of every primitive that a kernel is going to run: of its implementation, for example.
inline void (*on_primitive)(const onednn::primitive&) = nullptr;

/// Reserves room after `own` bytes of temporaries for a primitive that these passes run.
inline void reserve_scratch(prepared& state, passes some, std::size_t own, const onednn::primitive& p) {
  if (on_primitive != nullptr) on_primitive(p);
  state.need_scratch(some, aligned(own) + p.scratch_bytes());
}
/// The same for all passes.
inline void reserve_scratch(prepared& state, std::size_t own, const onednn::primitive& p) {
  if (on_primitive != nullptr) on_primitive(p);
  const std::size_t needed = aligned(own) + p.scratch_bytes();
  if (needed > state.scratch_bytes) state.scratch_bytes = needed;
}

/// Adds a temporary to a gradient, element by element.
inline void accumulate(const float* values, const destination& to) {
  float* const sum = to.data();
  elementwise(to.size(), [=](std::size_t i) { sum[i] += values[i]; });
}

/// Runs f(where to write a gradient, its scratch) for a primitive that can write but not add: where the gradient is
/// added to, it is written into a temporary first. `reserve_scratch` with the gradient's bytes makes room for it.
template <class F>
void write_or_add(const destination& to, std::byte* scratch, const F& f) {
  if (!to.accumulates()) return f(to.data(), scratch);
  float* const temporary = reinterpret_cast<float*>(scratch);
  f(temporary, scratch + aligned(to.size() * sizeof(float)));
  accumulate(temporary, to);
}

}  // namespace remat::nn
