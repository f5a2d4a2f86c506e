// SPDX-License-Identifier: MIT
// No kernel is one of oneDNN's reference implementations.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <string>

namespace {

namespace detail = remat::nn::detail;

void check_fast(const remat::onednn::primitive& p) {
  REQUIRE(p);
  const std::string name(p.implementation());
  INFO(name);
  CHECK(name.find("ref") == std::string::npos);
}

template <class M, class Input>
remat::preparation preparation_of(const remat::tensor_shape& in, const remat::tensor_shape& out) {
  remat::preparation p;
  if constexpr (requires { M::attributes; }) p.module_attributes = &M::attributes;
  p.inputs = {&in, 1};
  p.outputs = {&out, 1};
  p.batch = 64;
  p.backward_input = p.backward_parameters = true;
  return p;
}
template <class M, class Input>
auto prepared(auto make) {
  static constexpr remat::tensor_shape in = remat::shape_of<Input>::value,
                                       out = remat::shape_of<remat::output_of<M, Input>>::value;
  return make(preparation_of<M, Input>(in, out));
}

}  // namespace

TEST_CASE("no kernel on the way is a reference implementation") {
  using conv = remat::nn::conv2d<32, 64, 3>;
  const auto c =
      prepared<conv, remat::tensor<float, 32, 26, 26>>([](const auto& p) { return detail::prepared_conv2d(p); });
  check_fast(c.forward);
  check_fast(c.backward_input);
  check_fast(c.backward_weights);
  using fc = remat::nn::linear<9216, 128>;
  const auto l = prepared<fc, remat::tensor<float, 9216>>([](const auto& p) { return detail::prepared_linear(p); });
  check_fast(l.forward);
  check_fast(l.backward_input);
  check_fast(l.backward_weights);
  using pool = remat::nn::max_pool2d<2>;
  const auto m =
      prepared<pool, remat::tensor<float, 64, 24, 24>>([](const auto& p) { return detail::prepared_max_pool2d(p); });
  check_fast(m.forward);
  check_fast(m.backward);
  const auto f = prepared<remat::nn::flatten, remat::tensor<float, 64, 12, 12>>(
      [](const auto& p) { return detail::prepared_flatten(p); });
  check_fast(f.forward);
  check_fast(f.backward);
  const auto s = prepared<remat::nn::log_softmax, remat::tensor<float, 10>>(
      [](const auto& p) { return detail::prepared_log_softmax(p); });
  check_fast(s.backward);
  for (const remat::onednn::function each :
       {remat::onednn::function::tanh, remat::onednn::function::sigmoid, remat::onednn::function::gelu,
        remat::onednn::function::gelu_by_tanh, remat::onednn::function::silu}) {
    const auto e = prepared<remat::nn::silu, remat::tensor<float, 3, 5, 7>>(
        [each](const auto& p) { return detail::prepared_function(p, each, true); });
    check_fast(e.forward);
    check_fast(e.backward);
  }
}

TEST_CASE("nor are the products of linear_cross_entropy") {
  using loss = remat::nn::linear_cross_entropy<64, 30000>;
  const remat::tensor_shape in[] = {remat::shape_of<remat::tensor<float, 3, 64>>::value,
                                    remat::shape_of<remat::tensor<std::int32_t, 3>>::value};
  remat::preparation p;
  p.module_attributes = &loss::attributes;
  p.inputs = in;
  p.batch = 64;
  p.backward_input = p.backward_parameters = true;
  const detail::prepared_linear_cross_entropy made(p);
  check_fast(made.first_weights);
  for (const auto* each : {&made.full, &made.rest}) {
    check_fast(each->logits);
    check_fast(each->backward_input);
    check_fast(each->backward_weights);
  }
}
