// SPDX-License-Identifier: MIT Prints the bits of a few training steps of layers whose loops are remat's own: losses,
// parameters and states. They are the same whatever the compiler is allowed to do to a product and a sum.
#include <remat/remat.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace nn = remat::nn;

using block = remat::sequential<
    remat::residual<remat::sequential<nn::layer_norm<24>, nn::linear<24, 72>, nn::attention<3>, nn::linear<24, 24>,
                                      nn::dropout<0.1>>>,
    remat::residual<remat::sequential<
        nn::rms_norm<24>, remat::parallel<nn::swiglu, nn::linear<24, 48>, nn::linear<24, 48>>, nn::linear<48, 24>>>>;
using sequences =
    remat::sequential<nn::embedding<61, 24>, nn::positional_embedding<70, 24>, remat::repeat<2, block>,
                      nn::linear<24, 48>, nn::gelu, nn::linear<48, 24>, nn::silu, nn::softmax, nn::linear<24, 61>>;
using images =
    remat::sequential<nn::conv2d<3, 8, 3>, nn::batch_norm2d<8>, nn::relu, nn::max_pool2d<2>, nn::upsample_bilinear<2>,
                      nn::avg_pool2d<2>, nn::flatten, nn::linear<8 * 7 * 7, 10>, nn::log_softmax>;

template <class Model, class Input>
void print_steps(Model&& model, const std::vector<Input>& x, const std::vector<std::int32_t>& y) {
  remat::adamw optimizer{{.learning_rate = 0.01f}};
  for (int step = 0; step < 3; ++step) {
    const float loss = model.train_step(x, y);
    remat::clip_gradients(model, 1.0);
    optimizer.step(model);
    std::printf("%08x\n", std::bit_cast<std::uint32_t>(loss));
  }
  std::uint64_t hash = 14695981039346656037u;
  const auto add = [&](std::span<const float> values) {
    for (const float v : values) hash = (hash ^ std::bit_cast<std::uint32_t>(v)) * 1099511628211u;
  };
  for (const remat::parameter_view& p : model.parameters()) add(p.values);
  for (const remat::state_view& s : model.states()) add(s.values);
  std::printf("%016llx\n", static_cast<unsigned long long>(hash));
}

int main() {
  std::vector<std::int32_t> tokens(4 * 70), next(tokens.size()), classes(16);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<std::int32_t>(i * 7919 % 61);
    next[i] = static_cast<std::int32_t>(i * 104729 % 61);
  }
  std::vector<float> pixels(16 * 3 * 16 * 16);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = static_cast<float>(static_cast<std::uint32_t>(i * 2654435761u) >> 8) / 8388608.0f - 1;
  for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = static_cast<std::int32_t>(i % 10);
  print_steps(remat::model<sequences, remat::tensor<std::int32_t, 70>, nn::cross_entropy>{{.seed = 1, .threads = 1}},
              tokens, next);
  print_steps(remat::model<images, remat::image<float, 3, 16, 16>, nn::nll_loss>{{.seed = 1, .threads = 1}}, pixels,
              classes);
}
