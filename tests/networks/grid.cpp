// SPDX-License-Identifier: MIT
// Tensors of three extents that are no images: layers over the last extent, a layer of the test's own that moves
// another one there, and an input, an output and targets that nobody permutes.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/nn/add.hpp>
#include <remat/nn/concat.hpp>
#include <remat/nn/gelu.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/mse_loss.hpp>
#include <remat/nn/softmax.hpp>
#include <remat/nn/tanh.hpp>

namespace networks {
namespace grid_parts {

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor;

/// (A, B, C) to (C, A, B).
struct turn : remat::module {
  static constexpr std::string_view kind = "turn";
  template <std::size_t A, std::size_t B, std::size_t C>
  static tensor<float, C, A, B> output(tensor<float, A, B, C>);

  static void forward(const remat::forward_pass& pass) {
    const auto x = pass.input();   // (N, A B, C)
    const auto y = pass.output();  // (N, C, A B)
    for (std::size_t i = 0; i < x.size(); ++i) y[turned(pass.input_shape(), i)] = x[i];
  }
  static void backward_input(const remat::backward_pass& pass) {
    const auto dy = pass.output_gradient();
    pass.input_gradient().assign([&](std::size_t i) { return dy[turned(pass.input_shape(), i)]; });
  }

 private:
  /// Where element i of a batch goes.
  static std::size_t turned(const remat::tensor_shape& x, std::size_t i) {
    const std::size_t last = x.extents[2], rows = x.extents[0] * x.extents[1];
    const std::size_t sample = i / (rows * last), row = i / last % rows, place = i % last;
    return (sample * last + place) * rows + row;
  }
};

// clang-format off
using mixed = sequential<turn, nn::linear<6, 7>, nn::tanh>;                        // (4, 6, 5) to (5, 4, 7)
template <class Mixed>
using net = sequential<
    named<"norm", nn::layer_norm<8>>, nn::linear<8, 5>, nn::gelu,                  // (4, 6, 8) to (4, 6, 5)
    named<"middle", Mixed>, turn,                                                  // (7, 5, 4)
    named<"wide", remat::parallel<nn::concat, nn::softmax, nn::linear<4, 5>>>,     // (7, 5, 9)
    remat::residual<sequential<nn::layer_norm<9>, nn::linear<9, 9>, nn::tanh>>,
    named<"out", nn::linear<9, 3>>>;                                               // (7, 5, 3)
// clang-format on

}  // namespace grid_parts

network grid() {
  using namespace grid_parts;
  using input = tensor<float, 4, 6, 8>;
  return {.name = "grid",
          .lower = &lowered<net<mixed>, input, nn::mse_loss>,
          .microbatch = 5,
          .as_types = {{"the middle",
                        &lowered<net<remat::checkpoint<mixed>>, input, nn::mse_loss>,
                        {remat::checkpoint_at("middle")}}}};
}

}  // namespace networks
