// SPDX-License-Identifier: MIT
// Networks of every module use exactly the memory that is planned, whatever is checkpointed.
#include "kernel_run.hpp"

#include <catch2/catch.hpp>

namespace audited_tests {

namespace nn = remat::nn;
using remat::checkpoint_at;
using remat::image, remat::tensor;
using remat::sequential;

using integers = std::vector<std::int32_t>;

floats drawn(std::size_t size) {
  floats x(size);
  for (std::size_t i = 0; i < size; ++i) x[i] = number(i, 1);
  return x;
}
integers classes(std::size_t size, std::size_t count) {
  integers t(size);
  for (std::size_t i = 0; i < size; ++i) t[i] = i % 5 == 3 ? -100 : static_cast<std::int32_t>(i * 31 % count);
  return t;
}

template <class Net, class Input, class Loss, class X, class T>
void check(const X& inputs, const T& targets) {
  using checkpoints = std::vector<checkpoint_at>;
  for (const checkpoints& c :
       {checkpoints{}, checkpoints{checkpoint_at("")}, checkpoints{checkpoint_at("", remat::strategy::each{})}}) {
    remat::model<Net, Input, Loss> model{{.seed = 5, .threads = 2, .checkpoints = c}};
    CHECK(remat::audit(model, inputs, targets).holds());
    remat::model<Net, Input, Loss> rounded{
        {.seed = 5, .threads = 2, .checkpoints = c, .compute = remat::element::bfloat16}};
    CHECK(remat::audit(rounded, inputs, targets).holds());
  }
}

TEST_CASE("activations, branches and rows use exactly what is planned", "[serial][once]") {
  using net = sequential<nn::linear<13, 21>, nn::tanh, nn::layer_norm<21>,
                         remat::residual<sequential<nn::linear<21, 21>, nn::sigmoid>, remat::identity, nn::multiply>,
                         nn::gelu, remat::parallel<nn::concat, nn::softmax, nn::silu, nn::tanh, nn::linear<21, 2>>,
                         nn::sigmoid, nn::layer_norm<65>, nn::linear<65, 6>>;
  check<net, tensor<float, 5, 13>, nn::cross_entropy>(drawn(7 * 5 * 13), classes(7 * 5, 6));
  check<net, tensor<float, 13>, nn::bce_with_logits>(drawn(9 * 13), floats(9 * 6, 0.25f));
}
TEST_CASE("norms, gates and positions of transformers use exactly what is planned", "[serial][once]") {
  using gated = remat::parallel<nn::swiglu, nn::linear<12, 30, nn::bias::without>, nn::linear<12, 30>>;
  using net = sequential<nn::embedding<41, 12>, nn::positional_embedding<9, 12>,
                         remat::residual<sequential<nn::rms_norm<12>, gated, nn::linear<30, 12>>>,
                         nn::rotary_embedding<4>, nn::rms_norm<12>, nn::linear<12, 5>>;
  check<net, tensor<std::int32_t, 6>, nn::cross_entropy>(integers(12 * 6, 40), classes(12 * 6, 5));
}
TEST_CASE("patches and rows of vision transformers use exactly what is planned", "[serial][once]") {
  using net = sequential<nn::conv2d<3, 12, 2, nn::window{.stride = 2}>, nn::image_to_sequence, nn::class_token<12>,
                         remat::residual<nn::linear<12, 12>>, nn::select_row<0>, nn::linear<12, 5>>;
  check<net, image<float, 3, 8, 6>, nn::cross_entropy>(drawn(7 * 144), classes(7, 5));
}
TEST_CASE("attention uses exactly what is planned, and no memory for scores", "[serial][once]") {
  using causal = nn::attention<2, nn::attention_options{.causal = true, .key_value_heads = 1, .dropout = 0.5}>;
  using net = sequential<nn::embedding<41, 16>, nn::linear<16, 32>, causal,
                         remat::parallel<nn::attention<4>, nn::linear<16, 16>, nn::linear<16, 16>, remat::identity>,
                         nn::linear<16, 5>>;
  check<net, tensor<std::int32_t, 77>, nn::cross_entropy>(integers(3 * 77, 40), classes(3 * 77, 5));

  const auto bytes = [](auto input) {
    return remat::peak_activation_bytes<nn::attention<2>, decltype(input), nn::mse_loss>(1);
  };
  constexpr std::size_t length = 2000;
  CHECK(bytes(tensor<float, length, 48>{}) < length * (48 * 2 + 16 * 3 + 3 * 2) * sizeof(float));
}
TEST_CASE("images with a target of float use exactly what is planned", "[serial][once]") {
  using net = sequential<nn::conv2d<3, 7, 3, nn::window{.padding = 1}>, nn::sigmoid,
                         remat::parallel<nn::concat, nn::softmax, nn::silu>, nn::conv2d<14, 3, 1>, nn::tanh>;
  check<net, image<float, 3, 9, 7>, nn::mse_loss>(drawn(4 * 189), drawn(4 * 189));
}
TEST_CASE("indices and a loss in chunks use exactly what is planned", "[serial][once]") {
  using net = sequential<nn::embedding<41, 12>, nn::layer_norm<12>, nn::gelu, nn::linear<12, 12>>;
  check<net, tensor<std::int32_t, 6>, nn::linear_cross_entropy<12, 30011>>(integers(12 * 6, 40),
                                                                           classes(12 * 6, 30011));
}

}  // namespace audited_tests
