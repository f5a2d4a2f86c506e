// SPDX-License-Identifier: MIT
// A thousand links. Orthogonal weights without biases keep gradients alive from one end to the other.
#include "list.hpp"

#include <remat/core/policies.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/tanh.hpp>

#include <algorithm>
#include <cmath>

namespace networks {
namespace chain_parts {

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor;

constexpr std::size_t width = 9;

// clang-format off
template <class Links>
using net = sequential<
    named<"chain", Links>,
    nn::linear<width, 5>, nn::log_softmax>;
// clang-format on
using links = remat::repeat<1000, sequential<nn::linear<width, width>, nn::tanh>>;

/// Makes the rows of a square matrix orthonormal, one after another (Gram and Schmidt).
void make_orthogonal(std::span<float> matrix) {
  for (std::size_t i = 0; i < width; ++i) {
    const std::span<float> row = matrix.subspan(i * width, width);
    double norm = 0;
    for (std::size_t k = 0; k <= i; ++k) {
      const std::span<float> before = matrix.subspan(k * width, width);
      double product = 0;
      for (std::size_t j = 0; j < width; ++j) product += static_cast<double>(row[j]) * static_cast<double>(before[j]);
      if (k == i)
        norm = std::sqrt(product);
      else
        for (std::size_t j = 0; j < width; ++j) row[j] -= static_cast<float>(product) * before[j];
    }
    for (float& value : row) value /= static_cast<float>(norm);
  }
}

void start(remat::trainable& model) {
  for (const remat::parameter_view& p : model.parameters()) {
    if (!p.name.starts_with("chain.")) continue;
    if (p.shape.size() == 2)
      make_orthogonal(p.values);
    else
      std::ranges::fill(p.values, 0.0f);
  }
}

}  // namespace chain_parts

network chain() {
  using namespace chain_parts;
  using input = tensor<float, width>;
  return {.name = "chain",
          .lower = &lowered<net<links>, input, nn::nll_loss>,
          .microbatch = 3,
          .classes = 5,
          .chain = "chain",
          .start = &start,
          .as_types = {{"square_root",
                        &lowered<net<remat::checkpoint<links, remat::square_root>>, input, nn::nll_loss>,
                        {remat::checkpoint_at("chain", remat::strategy::contiguous{}, remat::square_root{})}}}};
}

}  // namespace networks
