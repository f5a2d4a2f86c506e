// SPDX-License-Identifier: MIT
/// The facts about a module, as one value that it names `is`:
///
///     static constexpr remat::traits is{.in_place = true, .acts_as = remat::activation::relu};
///
/// Where they depend on the inputs, `is` is a function of these, as `output` is:
///
///     template <class X>
///     static constexpr remat::traits is(X) {
///       return {.in_place = remat::shape_of<X>::value.is_in_order()};
///     }
///
/// A module without `is` has none of them. An operation of a program holds the value (`operation::is`), and the planner
/// asks it: a new fact is a member here and a question there.
#pragma once

#include <remat/core/activation.hpp>

namespace remat {

struct traits {
  /// Forward may write over its first input, which is then no other of its inputs, and backward_input over the output's
  /// gradient.
  bool in_place = false;
  /// backward_input may write over the first input, too.
  bool overwrites_input = false;
  /// The activation that it is, which the module before it may apply instead.
  activation acts_as = activation::none;
  /// The activations that forward can apply to its output.
  activations fuses = {};
  /// Backward goes through a fused activation by itself; it is given the gradient of the activation's output.
  bool differentiates_activation = false;
  /// A relu before it may be differentiated after it.
  bool commutes_with_relu = false;
  /// Where only its saved tensors are computed again, forward is given an empty output.
  bool skips_outputs = false;
  /// The gradient of every input is that of the output, so that no kernel runs for it and no copy is made.
  bool passes_gradient = false;
  /// Of a loss with `counted`: it divides by what counts in the whole batch, where the pass has it.
  bool divides_by_counted_in_batch = false;
  /// In a model that computes with bfloat16: each of its tensors of floats, and each of their gradients, may be of
  /// either type, and its kernels ask which (`pass.input_numbers()`). A module without this is given float32.
  bool takes_bfloat16 = false;
  /// Its outputs may be of bfloat16, too. A sum takes it, and gives float32.
  bool gives_bfloat16 = false;
  /// Its inputs are factors of products of bfloat16: one of float32 is rounded for it. Where the CPU multiplies float32
  /// faster, its kernels compute with float32, on floats (run/widened_operation.hpp).
  bool multiplies_bfloat16 = false;
  /// What it computes of a sample depends neither on others nor on where it is in the batch, but for sums in gradients
  /// of parameters: a batch may be computed some samples at a time. Nothing is asked of a module that saves tensors,
  /// changes a state, or has tensors that are not of samples.
  bool computes_samples_apart = false;
};

}  // namespace remat
