// SPDX-License-Identifier: MIT
/// Counts the kernel calls that happen, whatever an executor says of itself: is between a program and its kernels.
#pragma once

#include <remat/model/program.hpp>

#include <array>
#include <cstddef>
#include <stdexcept>
#include <utility>

namespace kernel_calls {

struct counts {
  std::size_t pack = 0, forward = 0, update_state = 0, backward_input = 0, backward_parameters = 0, backward = 0;

  bool operator==(const counts&) const = default;
};
inline counts counted;

/// In front of the kernels of one module: number I of those that were met.
template <std::size_t I>
struct counter {
  static inline const remat::kernel_table* kernels = nullptr;
  static inline remat::kernel_table table = {};

  static const remat::kernel_table* before(const remat::kernel_table* met) {
    if (kernels == nullptr) {
      kernels = met;
      table = *met;
      table.forward = [](const remat::forward_pass& p) { ++counted.forward, kernels->forward(p); };
      if (met->pack) table.pack = [](const remat::pack_pass& p) { ++counted.pack, kernels->pack(p); };
      if (met->update_state)
        table.update_state = [](const remat::update_pass& p) { ++counted.update_state, kernels->update_state(p); };
      if (met->backward_input)
        table.backward_input = [](const remat::backward_pass& p) {
          ++counted.backward_input, kernels->backward_input(p);
        };
      if (met->backward_parameters)
        table.backward_parameters = [](const remat::backward_pass& p) {
          ++counted.backward_parameters, kernels->backward_parameters(p);
        };
      if (met->backward)
        table.backward = [](const remat::backward_pass& p) { ++counted.backward, kernels->backward(p); };
    }
    return kernels == met ? &table : nullptr;
  }
};

template <std::size_t... I>
const remat::kernel_table* counter_before(const remat::kernel_table* met, std::index_sequence<I...>) {
  const remat::kernel_table* found = nullptr;
  static_cast<void>(((found = counter<I>::before(met)) || ...));
  if (found == nullptr) throw std::length_error("there are more modules than counters; add some");
  return found;
}

/// The program with counted kernels.
inline remat::program counting(remat::program p) {
  for (remat::operation& o : p.operations) o.kernels = counter_before(o.kernels, std::make_index_sequence<80>{});
  return p;
}

}  // namespace kernel_calls
