// SPDX-License-Identifier: MIT
/// What an executor gives a kernel to run on, as plain addresses and values.
#pragma once

#include <remat/core/activation.hpp>
#include <remat/core/prepared.hpp>
#include <remat/core/tensor.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace remat {

/// The values of an operation's parameters or states, or their gradients, in the order in which the module declares
/// them.
using value_spans = std::span<const std::span<float>>;

/// The values of one operation, of those of a program.
inline value_spans part_of(value_spans all, int first, int count) {
  return all.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
}

/// One call: shapes, addresses in the bound arena, and what was prepared for it. Put together when its action runs.
struct kernel_call {
  static constexpr int max_tensors = 8;

  std::string_view kind = {};
  const void* module_attributes = nullptr;
  const prepared* state = nullptr;
  std::byte* scratch = nullptr;
  std::byte* packed[prepared::max_copies] = {};  ///< where this call reads one, or writes it
  std::size_t batch = 0;
  int input_count = 0, output_count = 0;
  activation activation_after = activation::none;
  const tensor_shape* input_shapes[max_tensors] = {};
  const tensor_shape* output_shapes[max_tensors] = {};
  const tensor_shape* saved_shapes[max_tensors] = {};
  std::byte* inputs[max_tensors] = {};
  std::byte* outputs[max_tensors] = {};
  std::byte* saved[max_tensors] = {};
  std::byte* input_gradients[max_tensors] = {};
  std::byte* output_gradients[max_tensors] = {};
  element input_gradient_types[max_tensors] = {};  ///< float32 where several readers add to the gradient of a bfloat16
  element output_gradient_types[max_tensors] = {};
  bool accumulates[max_tensors] = {};  ///< per input gradient
  bool accumulates_parameters = false;
  value_spans states = {}, parameters = {}, parameter_gradients = {};
};

}  // namespace remat
