// SPDX-License-Identifier: MIT
/// A sum over a whole batch, the same at any number of threads: of blocks of 4,096 elements, then of the blocks in
/// their order, in double.
#pragma once

#include <remat/core/kernel.hpp>
#include <remat/core/module.hpp>

#include <cstddef>

namespace remat::nn::detail {

inline constexpr std::size_t summed_block = 4096;

/// Room for the sums of the blocks of an input.
template <std::size_t Input = 0>
struct prepared_block_sum : prepared {
  explicit prepared_block_sum(const preparation& p) {
    scratch_bytes = (p.inputs[Input].elements(p.batch) + summed_block - 1) / summed_block * sizeof(double);
  }
};

/// The sum of f(begin, end) over all blocks.
template <class F>
double block_sum(std::size_t size, std::byte* scratch, const F& f) {
  double* const parts = reinterpret_cast<double*>(scratch);
  const std::size_t blocks = (size + summed_block - 1) / summed_block;
  parallel_for(blocks, 2, [=](std::size_t begin, std::size_t end) {
    for (std::size_t which = begin; which < end; ++which)
      parts[which] = f(which * summed_block, which + 1 < blocks ? (which + 1) * summed_block : size);
  });
  double sum = 0;
  for (std::size_t which = 0; which < blocks; ++which) sum += parts[which];
  return sum;
}

/// A loss of two tensors of one shape.
struct loss_of_elements : module {
  template <std::size_t... Extents>
  static tensor<float, Extents...> target(tensor<float, Extents...>);
  template <std::size_t C, std::size_t H, std::size_t W>
  static image<float, C, H, W> target(image<float, C, H, W>);
  template <std::size_t... Extents>
  static scalar<float> output(tensor<float, Extents...>, tensor<float, Extents...>);
  template <std::size_t C, std::size_t H, std::size_t W>
  static scalar<float> output(image<float, C, H, W>, image<float, C, H, W>);
  static constexpr reads backward_input_reads = reads::inputs;
  static constexpr traits is{.overwrites_input = true};
};

/// Its forward pass: the mean over their elements, where f(x, target, begin, end)
/// is the sum over some of them.
template <class F>
void mean_of_elements(const forward_pass& pass, const F& f) {
  const float *const x = pass.input(0).data(), *const target = pass.input(1).data();
  const std::size_t size = pass.input(0).size();
  const double sum =
      block_sum(size, pass.scratch(), [=](std::size_t begin, std::size_t end) { return f(x, target, begin, end); });
  pass.output()[0] = static_cast<float>(sum / static_cast<double>(size));
}

}  // namespace remat::nn::detail
