// SPDX-License-Identifier: MIT
// No kernel is one of oneDNN's reference implementations.
#include "benchmarks/networks.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <string>

namespace implementations_tests {

namespace detail = remat::nn::detail;

void check_fast(const remat::onednn::primitive& p) {
  REQUIRE(p);
  const std::string name(p.implementation());
  INFO(name);
  CHECK(name.find("ref") == std::string::npos);
}
void check_fast(const detail::matrix_product& of) {
  REQUIRE(of);
  of.for_each_primitive([](const remat::onednn::primitive& p) { check_fast(p); });
}

template <class M, class Input>
remat::preparation preparation_of(const remat::tensor_shape& in, const remat::tensor_shape& out, bool adds) {
  remat::preparation p;
  if constexpr (requires { M::attributes; }) p.module_attributes = &M::attributes;
  p.inputs = {&in, 1};
  p.outputs = {&out, 1};
  p.batch = 64;
  p.backward_input = p.backward_parameters = true;
  p.accumulates_input = p.accumulates_parameters = adds;
  p.compute = in.type;
  return p;
}
template <class M, class Input>
auto prepared(auto make, bool adds = false, remat::element factors = remat::element::float32,
              remat::element result = remat::element::float32) {
  static remat::tensor_shape in, out;
  in = remat::shape_of<Input>::value;
  out = remat::shape_of<remat::output_of<M, Input>>::value;
  in.type = factors;
  out.type = result;
  remat::preparation p = preparation_of<M, Input>(in, out, adds);
  p.output_gradients = {&out.type, 1};
  if (!adds) p.input_gradients = {&in.type, 1};
  return make(p);
}
/// f(adds, factors, result): in float32, and of factors of bfloat16.
void for_each_way(const auto& f) {
  using remat::element;
  for (const bool adds : {false, true}) {
    f(adds, element::float32, element::float32);
    if (!remat::onednn::has_bfloat16()) continue;
    for (const element result : {element::float32, element::bfloat16}) f(adds, element::bfloat16, result);
  }
}

template <class M, class Input>
void check_convolution() {
  for_each_way([](bool adds, remat::element factors, remat::element result) {
    INFO((adds ? "adds" : "writes") << ", factors of " << name_of(factors) << " give " << name_of(result));
    const auto c = prepared<M, Input>([](const auto& p) { return detail::prepared_conv2d(p); }, adds, factors, result);
    for (const auto* each : {&c.forward, &c.backward_input.product}) check_fast(*each);
    for (const auto* each : {&c.packed_forward.reorder(), &c.backward_input.packing.reorder(),
                             &c.backward_weights.product, &c.backward_weights.unpacking, &c.backward_input.rest})
      if (*each) check_fast(*each);  // taps and loops of ours have none
  });
}
template <class M, class Input>
void check_transposed() {
  for_each_way([](bool adds, remat::element factors, remat::element result) {
    INFO((adds ? "adds" : "writes") << ", factors of " << name_of(factors) << " give " << name_of(result));
    const auto c =
        prepared<M, Input>([](const auto& p) { return detail::prepared_conv_transpose2d(p); }, adds, factors, result);
    for (const auto* each :
         {&c.forward, &c.backward_input, &c.backward_weights, &c.pack_forward, &c.pack_backward, &c.unpack_gradient})
      check_fast(*each);
    if (c.forward_rest) check_fast(c.forward_rest);
  });
}

TEST_CASE("no kernel on the way is a reference implementation") {
  using fc = remat::nn::linear<9216, 128>;
  const auto l = prepared<fc, remat::tensor<float, 9216>>([](const auto& p) { return detail::prepared_linear(p); });
  for (const auto* each : {&l.forward, &l.backward_input, &l.backward_weights}) check_fast(*each);
  using pool = remat::nn::max_pool2d<2>;
  const auto m =
      prepared<pool, remat::image<float, 64, 24, 24>>([](const auto& p) { return detail::prepared_max_pool2d(p); });
  check_fast(m.forward);
  check_fast(m.backward);
  const auto f = prepared<remat::nn::flatten, remat::image<float, 64, 12, 12>>(
      [](const auto& p) { return detail::prepared_flatten(p); });
  check_fast(f.forward);
  check_fast(f.backward);
  for (const remat::onednn::function each :
       {remat::onednn::function::tanh, remat::onednn::function::sigmoid, remat::onednn::function::gelu_by_tanh}) {
    const auto e = prepared<remat::nn::gelu_tanh, remat::image<float, 3, 5, 7>>(
        [each](const auto& p) { return detail::prepared_function(p, each, true); });
    check_fast(e.forward);
    check_fast(e.backward);
  }
}

TEST_CASE("nor are the products of linear_cross_entropy") {
  using loss = remat::nn::linear_cross_entropy<64, 30000>;
  const remat::tensor_shape in[] = {remat::shape_of<remat::tensor<float, 64>>::value,
                                    remat::shape_of<remat::tensor<std::int32_t>>::value};
  remat::preparation p;
  p.module_attributes = &loss::attributes;
  p.inputs = in;
  p.batch = 199;  // in chunks of 67, 67 and 65
  p.backward_input = p.backward_parameters = true;
  static int made;
  made = 0;
  remat::nn::on_primitive = [](const remat::onednn::primitive& each) {
    ++made;
    check_fast(each);
  };
  const detail::prepared_linear_cross_entropy state(p);
  remat::nn::on_primitive = nullptr;
  CHECK(made >= 7);  // three of full chunks, three of the rest, and the gradient of weights that is written
}

TEST_CASE("no product of a linear layer goes to the gemm that packs on the heap") {
  using detail::product;
  if (remat::onednn::instructions() == remat::onednn::instruction_set::other) return;  // which has no other
  constexpr std::size_t sizes[][3] = {{1024, 768, 3072}, {1024, 3072, 768}, {1024, 2048, 2048},
                                      {64, 512, 2048},   {64, 768, 50257},  {64, 1000, 1030},
                                      {300, 1100, 800},  {3, 9216, 128},    {5000, 320, 64}};
  for (const auto& [rows, in, out] : sizes)
    for (const product which : {product::forward, product::input_gradient, product::weight_gradient})
      for (const bool adds : {false, true}) {
        if (adds && which == product::forward) continue;
        INFO(rows << " rows, " << in << " to " << out << ", product " << static_cast<int>(which)
                  << (adds ? ", added" : ""));
        const bool has_bias = which == product::forward;
        detail::matrix_product(which, rows, in, out, {.adds_to_destination = adds}, has_bias)
            .for_each_primitive([](const remat::onednn::primitive& p) {
              CHECK(std::string(p.implementation()).find("gemm:jit") == std::string::npos);
            });
      }
}

TEST_CASE("no convolution is a reference implementation") {
  namespace nn = remat::nn;
  using nn::bias;
  using remat::image;
  check_convolution<nn::conv2d<32, 64, 3>, image<float, 32, 26, 26>>();
  check_convolution<nn::conv2d<64, 64, 3, nn::window{.padding = 1}>, image<float, 64, 32, 32>>();
  check_convolution<nn::conv2d<64, 128, 3, nn::window{.stride = 2, .padding = 1}>, image<float, 64, 32, 32>>();
  check_convolution<nn::conv2d<3, 64, 7, nn::window{.stride = 2, .padding = 3}>, image<float, 3, 64, 64>>();
  check_convolution<nn::conv2d<256, 64, 1, nn::window{.stride = 2}>, image<float, 256, 14, 14>>();
  check_convolution<nn::conv2d<30, 50, 1, nn::window{.stride = 2}>, image<float, 30, 33, 33>>();
  check_convolution<nn::conv2d<20, 30, 3, nn::window{.padding = 4, .dilation = 4}>, image<float, 20, 33, 33>>();
  check_convolution<nn::conv2d<64, 64, 3, nn::window{.stride = 2, .padding = 2, .dilation = 2}>,
                    image<float, 64, 33, 33>>();
  check_convolution<nn::conv2d<64, 64, 3, nn::window{.padding = 1, .groups = 2}>, image<float, 64, 14, 14>>();
  check_convolution<nn::conv2d<128, 128, 3, nn::window{.stride = 2, .padding = 1, .groups = 32}>,
                    image<float, 128, 14, 14>>();
  check_convolution<nn::conv2d<9, 15, 3, nn::window{.padding = 2, .dilation = 2, .groups = 3}>,
                    image<float, 9, 13, 13>>();
  check_convolution<nn::conv2d<32, 32, 3, nn::window{.padding = 1, .groups = 32}>,
                    image<float, 32, 32, 32>>();  // depthwise
  check_convolution<nn::conv2d<9, 9, 3, nn::window{.stride = 2, .padding = 1, .groups = 9}>, image<float, 9, 13, 13>>();
  check_convolution<nn::conv2d<32, 32, 3, nn::window{.padding = 2, .dilation = 2, .groups = 32}>,
                    image<float, 32, 32, 32>>();
  check_convolution<nn::conv2d<16, 32, 3, nn::window{.padding = 1, .groups = 16}>, image<float, 16, 32, 32>>();
  check_convolution<nn::conv2d<64, 64, nn::extents{1, 3}, nn::window{.padding = {0, 1}}>, image<float, 64, 14, 14>>();
  check_convolution<nn::conv2d<64, 32, nn::extents{5, 2}, nn::window{.stride = {2, 1}}>, image<float, 64, 33, 33>>();
  check_transposed<nn::conv_transpose2d<64, 32, 3, nn::window{.dilation = 2, .groups = 4}>, image<float, 64, 16, 16>>();
  check_transposed<nn::conv_transpose2d<64, 32, 2, nn::window{.stride = 2}>, image<float, 64, 16, 16>>();
  check_transposed<nn::conv_transpose2d<64, 32, 4, nn::window{.stride = 2, .padding = 1}>, image<float, 64, 16, 16>>();
  check_transposed<nn::conv_transpose2d<9, 5, 3, nn::window{.stride = 2, .padding = 1, .output_padding = 1}>,
                   image<float, 9, 13, 11>>();
  check_transposed<nn::conv_transpose2d<16, 1, 3, nn::window{.padding = 1}>, image<float, 16, 28, 28>>();
}

TEST_CASE("no primitive of a network that is compared with PyTorch is a reference implementation", "[once]") {
  static int made;
  made = 0;
  remat::nn::on_primitive = [](const remat::onednn::primitive& p) {
    ++made;
    check_fast(p);
  };
  for (const benchmarks::network& each : benchmarks::networks) {
    INFO(each.name);
    remat::network model(each.lower(), {});
    remat::internals::training(model, each.batch);
  }
  remat::nn::on_primitive = nullptr;
  CHECK(made > 50);
}

TEST_CASE("the kernels of a deep network take the memory of the one that needs most") {
  for (const benchmarks::network& each : benchmarks::networks) {
    if (each.name != "resnet18") continue;
    remat::network model(each.lower(), {.threads = 1});
    const remat::executor& e = remat::internals::training(model, each.batch);
    const remat::regions needed = e.needed();
    INFO(needed.activations << " bytes of activations, " << needed.packed << " packed, " << needed.scratch
                            << " scratch");
    std::size_t largest = 0;
    for (const remat::kernel_buffer& b : e.kernels().buffers()) largest = std::max(largest, b.bytes);
    CHECK(largest > 9'000'000);  // the weights of 512 to 512 channels
    CHECK(needed.kernels() < largest + largest / 100);
    CHECK(needed.total() <= 255'000'000);
  }
}

}  // namespace implementations_tests
