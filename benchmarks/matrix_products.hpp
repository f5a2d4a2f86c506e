// SPDX-License-Identifier: MIT
/// The matrix products of a training step of equal linear layers, and nothing else: one call of oneDNN's for each, in
/// memory like a step's.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

namespace benchmarks {

using milliseconds = std::chrono::duration<double, std::milli>;

/// y = x W^T, dW = dy^T x and, but for the first layer, dx = dy W, on the weights that are given.
class matrix_products {
 public:
  matrix_products(std::vector<std::span<float>> weights, std::size_t rows, std::size_t size)
      : weights_(std::move(weights)),
        gradient_(size * size * sizeof(float)),
        activations_((weights_.size() + 1) * rows * size * sizeof(float)),
        gradients_(2 * rows * size * sizeof(float)),
        rows_(rows * size) {
    for (const remat::memory_block* each : {&activations_, &gradients_})
      std::fill_n(floats(*each), each->size() / sizeof(float), 0.5f);
    using remat::onednn::layout;
    const layout x = layout::row_major({rows, size}), w = layout::row_major({size, size});
    forward_ = remat::onednn::matrix_product(x, layout::transposed(size, size), x, {});
    backward_input_ = remat::onednn::matrix_product(x, w, x, {});
    backward_weights_ = remat::onednn::matrix_product(layout::transposed(size, rows), x, w, {});
    for (const auto* each : {&forward_, &backward_input_, &backward_weights_})
      if (each->scratch_bytes() > scratch_.size()) scratch_ = remat::memory_block(each->scratch_bytes());
  }

  double time() {
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < weights_.size(); ++i) run(forward_, activation(i), weights_[i], activation(i + 1));
    for (std::size_t i = weights_.size(); i-- > 0;) {
      float *const dy = floats(gradients_) + i % 2 * rows_, *const dx = floats(gradients_) + (i + 1) % 2 * rows_;
      run(backward_weights_, dy, {activation(i), rows_}, floats(gradient_));
      if (i > 0) run(backward_input_, dy, weights_[i], dx);
    }
    return milliseconds(std::chrono::steady_clock::now() - begin).count();
  }

 private:
  static float* floats(const remat::memory_block& block) { return reinterpret_cast<float*>(block.data()); }
  float* activation(std::size_t i) { return floats(activations_) + i * rows_; }
  void run(const remat::onednn::primitive& product, const float* a, std::span<const float> b, float* c) {
    product.execute(scratch_.data(),
                    {{remat::onednn::source, a}, {remat::onednn::weights, b.data()}, {remat::onednn::result, c}});
  }

  std::vector<std::span<float>> weights_;
  remat::memory_block gradient_, activations_, gradients_, scratch_ = {};
  std::size_t rows_;
  remat::onednn::primitive forward_, backward_input_, backward_weights_;
};

}  // namespace benchmarks
