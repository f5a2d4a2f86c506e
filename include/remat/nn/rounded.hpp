// SPDX-License-Identifier: MIT
/// A tensor of float32 as bfloat16. It is in no model's type: a pass over the program puts one before each layer of
/// products that is given float32 (plan/compute_type.hpp). The gradient goes back as it is.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/copy_numbers.hpp>

#include <string_view>

namespace remat::nn {

struct rounded : module {
  static constexpr std::string_view kind = "rounded";
  template <class X>
  static X output(X);
  static constexpr traits is{.takes_bfloat16 = true, .gives_bfloat16 = true};

  static void forward(const forward_pass& pass) { copy_numbers(pass.input_numbers(), pass.output_numbers()); }
  static void backward_input(const backward_pass& pass) {
    copy_numbers(pass.output_gradient_numbers(), pass.input_gradient_numbers());
  }
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(rounded)
