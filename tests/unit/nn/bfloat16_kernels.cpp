// SPDX-License-Identifier: MIT
// What layers compute of tensors of bfloat16: loops of ours give what they give of floats, rounded once, whatever of
// their tensors is rounded; products are within the rounding of their factors.
#include "larger.hpp"
#include "same_bits.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <tuple>
#include <vector>

namespace bfloat16_kernels_tests {

namespace nn = remat::nn;
using remat::bfloat16, remat::element, remat::image, remat::tensor;

constexpr std::array both_types{element::float32, element::bfloat16};

/// Numbers that bfloat16 holds. Small whole ones have sums of products without rounding, in any order.
enum class numbers { normal, small_and_whole };
/// The same ones for each combination of types: they take longer to draw than a layer takes.
const std::vector<float>& drawn(std::size_t size, unsigned seed, numbers which = numbers::normal) {
  static std::map<std::tuple<std::size_t, unsigned, numbers>, std::vector<float>> all;
  std::vector<float>& values = all[{size, seed, which}];
  if (!values.empty()) return values;
  std::mt19937 random(seed);
  values.resize(size);
  for (float& v : values)
    v = which == numbers::normal ? static_cast<float>(bfloat16(std::normal_distribution<float>()(random)))
                                 : static_cast<float>(std::uniform_int_distribution(-3, 3)(random));
  return values;
}

/// A tensor of either type.
struct held {
  element type = element::float32;
  std::vector<std::byte> bytes = {};

  held() = default;
  held(const std::vector<float>& values, element as) : type(as), bytes(values.size() * size_of(as)) {
    for (std::size_t i = 0; i < values.size(); ++i)
      if (as == element::float32)
        std::memcpy(bytes.data() + 4 * i, &values[i], 4);
      else
        std::memcpy(bytes.data() + 2 * i, std::array{bfloat16(values[i])}.data(), 2);
  }
  std::vector<float> floats() const {
    std::vector<float> values(bytes.size() / size_of(type));
    for (std::size_t i = 0; i < values.size(); ++i)
      if (type == element::float32) {
        std::memcpy(&values[i], bytes.data() + 4 * i, 4);
      } else {
        bfloat16 v;
        std::memcpy(&v, bytes.data() + 2 * i, 2);
        values[i] = static_cast<float>(v);
      }
    return values;
  }
};

/// The types of a layer's tensors, and their numbers.
struct types {
  element x = element::float32, y = element::float32, dy = element::float32, dx = element::float32;
  element compute = element::float32;
  numbers values = numbers::normal;
};

struct results {
  std::vector<float> y, parameters;
  std::vector<std::vector<float>> dx;
};

/// A layer, as a program of one operation.
template <class M, class... In>
remat::program layer() {
  return remat::lower<M, remat::tensors<In...>>();
}

/// Whether a layer's kernels are those for its types, or for floats on widened copies.
enum class by { own_kernels, widening };

/// It forward and backward on made-up numbers.
results run(const remat::program& p, const types& t, std::size_t batch, bool adds = false, by how = by::own_kernels) {
  const remat::operation& o = p.operations[0];
  std::vector<remat::tensor_shape> in, saved;
  for (int i : o.inputs) in.push_back(p.tensors[i]);
  for (int i : o.saved) saved.push_back(p.tensors[i]);
  remat::tensor_shape out = p.tensors[o.outputs[0]];
  std::vector<held> x, dx;
  std::vector<element> dx_types;
  for (std::size_t i = 0; i < in.size(); ++i) {
    x.emplace_back(drawn(in[i].elements(batch), 1 + static_cast<unsigned>(i), t.values), t.x);
    dx.emplace_back(drawn(in[i].elements(batch), 7, t.values), t.dx);
    dx_types.push_back(t.dx);
    in[i].type = t.x;
  }
  held dy(drawn(out.elements(batch), 5, t.values), t.dy), y(std::vector<float>(out.elements(batch)), t.y);
  out.type = t.y;
  std::vector<std::vector<float>> parameters, gradients;
  std::vector<std::vector<std::byte>> kept;
  for (const auto& slot : p.parameters) parameters.push_back(drawn(slot.declared.elements(), 11, t.values));
  gradients = parameters;
  std::vector<std::span<float>> spans(parameters.begin(), parameters.end()), to(gradients.begin(), gradients.end());
  std::vector<std::vector<float>> states;
  for (const auto& slot : p.states) states.push_back(drawn(slot.declared.elements(), 13, t.values));
  std::vector<std::span<float>> state_spans(states.begin(), states.end());

  remat::preparation prepare;
  prepare.module_attributes = o.attributes;
  prepare.inputs = in;
  prepare.outputs = {&out, 1};
  prepare.saved = saved;
  prepare.input_gradients = dx_types;
  prepare.output_gradients = {&t.dy, 1};
  prepare.batch = batch;
  prepare.compute = t.compute;
  prepare.backward_input = true;
  prepare.backward_parameters = !parameters.empty();
  prepare.accumulates_input = adds;
  const auto widened = how == by::widening ? std::make_unique<remat::widened_operation>(o, prepare) : nullptr;
  const auto own = widened || o.kernels->prepare == nullptr ? nullptr : o.kernels->prepare(prepare);
  const remat::prepared* const state = widened ? widened.get() : own.get();
  const auto call = [&](const remat::kernel_call& with, remat::passes pass, const auto& f) {
    widened ? widened->run(with, pass, f) : f(with);
  };
  struct alignas(64) line {
    std::byte bytes[64];
  };
  std::vector<line> scratch(state != nullptr ? state->scratch_of() / 64 + 1 : 1);
  std::vector<std::vector<line>> packed;

  remat::kernel_call c;
  c.kind = o.kind;
  c.module_attributes = o.attributes;
  c.state = state;
  c.scratch = scratch.data()->bytes;
  c.batch = batch;
  c.input_count = static_cast<int>(in.size());
  c.output_count = 1;
  for (std::size_t i = 0; i < in.size(); ++i) {
    c.input_shapes[i] = &in[i];
    c.inputs[i] = x[i].bytes.data();
    c.input_gradients[i] = dx[i].bytes.data();
    c.input_gradient_types[i] = t.dx;
    c.accumulates[i] = adds;
  }
  c.output_shapes[0] = &out;
  c.outputs[0] = y.bytes.data();
  c.output_gradients[0] = dy.bytes.data();
  c.output_gradient_types[0] = t.dy;
  for (const remat::tensor_shape& s : saved) kept.emplace_back(s.bytes(batch));
  for (std::size_t i = 0; i < saved.size(); ++i) {
    c.saved_shapes[i] = &saved[i];
    c.saved[i] = kept[i].data();
  }
  c.parameters = spans;
  c.parameter_gradients = to;
  c.states = state_spans;
  for (std::size_t k = 0; state != nullptr && k < state->packed.size(); ++k) {
    packed.emplace_back(state->packed[k].bytes / 64 + 1);
    c.packed[k] = packed[k].data()->bytes;
    o.kernels->pack(remat::pack_pass(widened ? widened->packing(c) : c, k));
  }
  const remat::random_stream random(1, 0);
  remat::kernel_call parameters_alone = c;
  std::ranges::fill(parameters_alone.input_gradients, nullptr);
  call(c, remat::passes::forward,
       [&](const remat::kernel_call& of) { o.kernels->forward(remat::forward_pass(of, true, random)); });
  const auto run_half = [&](auto* half, const remat::kernel_call& with, remat::passes pass) {
    if (half != nullptr)
      call(with, pass, [&](const remat::kernel_call& of) { half(remat::backward_pass(of, random)); });
  };
  run_half(o.kernels->backward_parameters, parameters_alone, remat::passes::backward_parameters);
  run_half(o.kernels->backward_input, c, remat::passes::backward_input);
  results r{y.floats(), {}, {}};
  for (const held& each : dx) r.dx.push_back(each.floats());
  for (const auto& each : gradients) r.parameters.insert(r.parameters.end(), each.begin(), each.end());
  return r;
}

std::vector<float> rounded(std::vector<float> values, element type) {
  if (type == element::bfloat16)
    for (float& v : values) v = static_cast<float>(bfloat16(v));
  return values;
}

/// Of a layer whose backward reads its output, gradients are those of the rounded one: `y` alone is compared where it
/// is rounded.
void rounds_once(const remat::program& p, std::size_t batch, bool reads_output = false) {
  const results exact = run(p, {}, batch);
  for (const element x : both_types)
    for (const element y : both_types)
      for (const element dy : both_types)
        for (const element dx : both_types) {
          const results found = run(p, {x, y, dy, dx, element::bfloat16}, batch);
          CHECK(same_bits(found.y, rounded(exact.y, y)));
          if (reads_output && y == element::bfloat16) continue;
          for (std::size_t i = 0; i < exact.dx.size(); ++i) CHECK(same_bits(found.dx[i], rounded(exact.dx[i], dx)));
          CHECK(same_bits(found.parameters, exact.parameters));
        }
  const results added = run(p, {}, batch, true),
                of_rounded = run(
                    p, {element::bfloat16, element::float32, element::bfloat16, element::float32, element::bfloat16},
                    batch, true);
  for (std::size_t i = 0; i < added.dx.size(); ++i) CHECK(same_bits(of_rounded.dx[i], added.dx[i]));
}

TEST_CASE("the gradient of a relu of bfloat16 is that of floats, of all outputs there are") {
  constexpr std::size_t all = std::size_t{1} << 16;
  std::vector<remat::bfloat16> y(all), dy(all), dx(all);
  for (std::size_t i = 0; i < all; ++i) {
    y[i].bits = static_cast<std::uint16_t>(i);
    dy[i] = remat::bfloat16(static_cast<float>(i % 7) - 3);
  }
  const auto* const of_y = reinterpret_cast<const std::byte*>(y.data());
  const auto* const of_dy = reinterpret_cast<const std::byte*>(dy.data());
  nn::differentiate(remat::activation::relu, {of_y, all, element::bfloat16}, {of_dy, all, element::bfloat16},
                    {reinterpret_cast<std::byte*>(dx.data()), all, element::bfloat16});
  std::size_t others = 0;
  for (std::size_t i = 0; i < all; ++i) {
    const remat::bfloat16 expected(remat::relu_gradient(remat::float_of(y[i]), remat::float_of(dy[i])));
    others += dx[i].bits != expected.bits;
  }
  CHECK(others == 0);
}

TEST_CASE("functions of one number give of bfloat16 what they give of floats, rounded once", "[once]") {
  rounds_once(layer<nn::relu, tensor<float, 37, 131>>(), 3, true);
  rounds_once(layer<nn::gelu, tensor<float, 37, 131>>(), 3);
  rounds_once(layer<nn::silu, tensor<float, 37, 131>>(), 3);
  rounds_once(layer<nn::gelu_tanh, tensor<float, 37, 131>>(), 3);
  rounds_once(layer<nn::tanh, tensor<float, 37, 131>>(), 3, true);
  rounds_once(layer<nn::sigmoid, tensor<float, 37, 131>>(), 3, true);
  rounds_once(layer<nn::dropout<0.3>, tensor<float, 37, 131>>(), 3);
  rounds_once(layer<nn::flatten, tensor<float, 37, 131>>(), 3);
  rounds_once(layer<nn::flatten, image<float, 5, 7, 3>>(), 3);
  rounds_once(layer<nn::swiglu, tensor<float, 37, 131>, tensor<float, 37, 131>>(), 3);
}

TEST_CASE("products and joins of tensors give of bfloat16 what they give of floats, rounded once") {
  using two = tensor<float, 37, 131>;
  rounds_once(layer<nn::multiply, two, two>(), 3);
  rounds_once(layer<nn::multiply, two, two, two>(), 3);
  rounds_once(layer<nn::scale_channels, image<float, 37, 9, 8>, image<float, 37, 1, 1>>(), 3);
  rounds_once(layer<nn::concat, tensor<float, 37, 131>, tensor<float, 37, 5>>(), 3);
  rounds_once(layer<nn::concat, image<float, 3, 9, 7>, image<float, 64, 9, 7>, image<float, 1, 9, 7>>(), 3);
}

TEST_CASE("poolings and upsamplings give of bfloat16 what they give of floats, rounded once", "[once]") {
  constexpr nn::window step{.stride = 2, .padding = 1}, gaps{.stride = 1, .padding = 1, .dilation = 2};
  rounds_once(layer<nn::max_pool2d<2>, image<float, 37, 10, 12>>(), 3);
  rounds_once(layer<nn::max_pool2d<3, step>, image<float, 300, 9, 11>>(), 2);
  rounds_once(layer<nn::max_pool2d<3, gaps>, image<float, 5, 9, 11>>(), 3);
  rounds_once(layer<nn::max_pool2d<16, nn::window{.stride = 3}>, image<float, 5, 40, 20>>(),
              2);  // places of four bytes
  rounds_once(layer<nn::avg_pool2d<2>, image<float, 37, 10, 12>>(), 3);
  rounds_once(layer<nn::avg_pool2d<5, step>, image<float, 37, 10, 12>>(), 3);
  rounds_once(layer<nn::adaptive_avg_pool2d<1>, image<float, 37, 7, 7>>(), 3);
  rounds_once(layer<nn::adaptive_avg_pool2d<3, 5>, image<float, 300, 7, 9>>(), 3);
  rounds_once(layer<nn::upsample_nearest<2>, image<float, 37, 5, 6>>(), 3);
  rounds_once(layer<nn::upsample_bilinear<2>, image<float, 37, 5, 6>>(), 3);
}

TEST_CASE("maxima of bfloat16 are where those of floats are") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const nn::detail::max_pool_geometry g{1, 2, 8, 1, 4, 2, {.stride = 2}};
  const std::vector<float> x{1, 2, nan, 5, 3, -infinity, -infinity, -infinity,  //
                             2, 2, nan, 7, 3, 4,         -infinity, -infinity};
  held from(x, element::bfloat16), to(std::vector<float>(4), element::bfloat16);
  std::vector<std::uint8_t> places(4);
  nn::detail::pool_in_loops(g, 1, {from.bytes.data(), x.size(), element::bfloat16},
                            {to.bytes.data(), 4, element::bfloat16}, {places.data(), nullptr});
  const std::vector<float> y = to.floats();
  CHECK((y[0] == 2 && std::isnan(y[1]) && y[2] == 4 && y[3] == -infinity));
  CHECK(places == std::vector<std::uint8_t>{1, 2, 3, 0});  // of equal ones the first, of NaNs the last
}

TEST_CASE("layers of rows give of bfloat16 what they give of floats, rounded once") {
  rounds_once(layer<nn::layer_norm<131>, tensor<float, 37, 131>>(), 3);
  rounds_once(layer<nn::layer_norm<5000>, tensor<float, 5000>>(), 3);
  rounds_once(layer<nn::rms_norm<131>, tensor<float, 37, 131>>(), 3);
  rounds_once(layer<nn::softmax, tensor<float, 37, 21>>(), 3, true);
  rounds_once(layer<nn::softmax, image<float, 131, 5, 7>>(), 3, true);
  rounds_once(layer<nn::rotary_embedding<32>, tensor<float, 37, 128>>(), 3);
}

TEST_CASE("layers of rows of any length give of bfloat16 what they give of floats, rounded once", "[once]") {
  rounds_once(layer<nn::layer_norm<9001>, tensor<float, 19, 9001>>(), 2);
  rounds_once(layer<nn::rms_norm<9001>, tensor<float, 9001>>(), 5);
  rounds_once(layer<nn::softmax, tensor<float, 19, 9001>>(), 2, true);
  rounds_once(layer<nn::batch_norm2d<8195>, image<float, 8195, 2, 1>>(), 2);
}

TEST_CASE("a softmax's gradients are those of the rounded output") {
  const remat::program p = layer<nn::softmax, tensor<float, 37, 131>>();
  const auto with_output = [&](element dy, element dx) {
    return run(p, {element::bfloat16, element::bfloat16, dy, dx, element::bfloat16}, 3).dx[0];
  };
  const std::vector<float> exact = with_output(element::float32, element::float32);
  CHECK(same_bits(with_output(element::bfloat16, element::float32), exact));
  CHECK(same_bits(with_output(element::bfloat16, element::bfloat16), rounded(exact, element::bfloat16)));
}

TEST_CASE("batch norms give of bfloat16 what they give of floats, rounded once") {
  rounds_once(layer<nn::batch_norm2d<5>, image<float, 5, 9, 7>>(), 3);
  rounds_once(layer<nn::batch_norm2d<70>, image<float, 70, 5, 5>>(), 4);
  rounds_once(layer<nn::batch_norm2d<1100>, image<float, 1100, 2, 1>>(), 3);
}

TEST_CASE("a sum of bfloat16 and float is one of floats") {
  constexpr std::size_t batch = 3;
  using input = tensor<float, 37, 131>;
  const remat::program sum = layer<nn::add, input, input>();
  const auto exact = run(sum, {}, batch).y;
  for (const element x : {element::float32, element::bfloat16})
    for (const element y : {element::float32, element::bfloat16})
      CHECK(same_bits(run(sum, {x, y}, batch).y, rounded(exact, y)));
}

/// At most `units` times the rounding to bfloat16 from what float32 gives, relative to the largest.
void is_near(const std::vector<float>& found, const std::vector<float>& exact, double units) {
  double largest = 0, apart = 0;
  REQUIRE(found.size() == exact.size());
  for (std::size_t i = 0; i < exact.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(exact[i])));
    apart = larger(apart, std::fabs(static_cast<double>(found[i]) - static_cast<double>(exact[i])));
  }
  CHECK(apart <= units * std::ldexp(largest, -8));
}

/// Factors are drawn of bfloat16, parameters too: products differ from those of floats by the rounding of results.
void multiplies(const remat::program& p, std::size_t batch, double units) {
  const results exact = run(p, {}, batch);
  for (const element y : both_types)
    for (const element dy : both_types)
      for (const element dx : both_types) {
        if (y == element::float32 && dy == element::bfloat16) continue;  // a gradient is never the narrower one
        const results found = run(p, {element::bfloat16, y, dy, dx, element::bfloat16}, batch);
        is_near(found.y, exact.y, units);
        for (std::size_t i = 0; i < exact.dx.size(); ++i) is_near(found.dx[i], exact.dx[i], units);
        is_near(found.parameters, exact.parameters, units);
      }
  const results added = run(p, {}, batch, true),
                of_rounded = run(
                    p, {element::bfloat16, element::bfloat16, element::bfloat16, element::float32, element::bfloat16},
                    batch, true);
  for (std::size_t i = 0; i < added.dx.size(); ++i) is_near(of_rounded.dx[i], added.dx[i], units);
}

bool has_products() {
  if (!remat::onednn::has_bfloat16()) WARN("skipped: this CPU has no products of bfloat16");
  return remat::onednn::has_bfloat16();
}

TEST_CASE("products of bfloat16 are those of floats but for the rounding of their results") {
  if (!has_products()) return;
  multiplies(layer<nn::linear<37, 65>, tensor<float, 19, 37>>(), 3, 1.01);
  multiplies(layer<nn::linear<70, 513>, tensor<float, 43, 70>>(), 3, 1.01);  // second factors in panels
  multiplies(layer<nn::linear<128, 64, nn::bias::without>, tensor<float, 128>>(), 40, 1.01);
  multiplies(layer<nn::conv2d<3, 8, 3, nn::window{.padding = 1}>, image<float, 3, 9, 11>>(), 5, 1.01);
  multiplies(layer<nn::conv2d<32, 16, 3, nn::window{.stride = 2, .padding = 1}>, image<float, 32, 10, 10>>(), 5, 1.01);
  multiplies(layer<nn::conv2d<16, 32, 1>, image<float, 16, 6, 6>>(), 9, 1.01);
  // oneDNN's gradient of the input is wrong for an odd number of outputs.
  multiplies(layer<nn::conv2d<16, 33, 1, nn::window{.stride = 2}>, image<float, 16, 12, 9>>(), 2, 1.01);
  multiplies(layer<nn::conv2d<20, 20, 7, nn::window{.padding = 3, .groups = 20}>, image<float, 20, 9, 8>>(), 3, 1.01);
  constexpr nn::window with_gaps{.stride = 2, .padding = 2, .dilation = 2, .groups = 18};
  multiplies(layer<nn::conv2d<18, 18, 3, with_gaps>, image<float, 18, 12, 9>>(), 3, 1.01);
}

TEST_CASE("transposed convolutions of bfloat16 are those of floats but for the rounding of their results") {
  if (!has_products()) return;
  constexpr nn::window twice{.stride = 2}, all{.stride = 2, .padding = 1, .output_padding = 1, .dilation = 2};
  multiplies(layer<nn::conv_transpose2d<16, 8, 2, twice>, image<float, 16, 7, 5>>(), 5, 1.01);
  multiplies(layer<nn::conv_transpose2d<5, 3, 3, all>, image<float, 5, 9, 6>>(), 3, 1.01);
  multiplies(
      layer<nn::conv_transpose2d<37, 20, 3, nn::window{.padding = 1}, nn::bias::without>, image<float, 37, 6, 6>>(), 4,
      1.01);
  // Forward takes the samples of such an image a few at a time: 4, 4 and 1.
  multiplies(layer<nn::conv_transpose2d<16, 32, 2, twice>, image<float, 16, 48, 48>>(), 9, 1.01);
}

/// What products of floats give, rounded once, of results and their gradients of these types.
void widens(const remat::program& p, std::size_t batch, std::span<const element> of_results = both_types) {
  constexpr types floats{.values = numbers::small_and_whole};
  const results exact = run(p, floats, batch), added = run(p, floats, batch, true);
  for (const element y : of_results)
    for (const element dy : of_results)
      for (const element dx : both_types) {
        const types t{element::bfloat16, y, dy, dx, element::bfloat16, numbers::small_and_whole};
        const results found = run(p, t, batch, false, by::widening);
        CHECK(same_bits(found.y, rounded(exact.y, y)));
        for (std::size_t i = 0; i < exact.dx.size(); ++i) CHECK(same_bits(found.dx[i], rounded(exact.dx[i], dx)));
        CHECK(same_bits(found.parameters, exact.parameters));
        if (dx == element::bfloat16) continue;
        const results sum = run(p, t, batch, true, by::widening);
        for (std::size_t i = 0; i < exact.dx.size(); ++i) CHECK(same_bits(sum.dx[i], added.dx[i]));
      }
}

TEST_CASE("where float32 is multiplied faster, products of bfloat16 are those of floats, rounded once", "[once]") {
  widens(layer<nn::linear<37, 65>, tensor<float, 19, 37>>(), 3);
  widens(layer<nn::conv2d<32, 16, 3, nn::window{.stride = 2, .padding = 1}>, image<float, 32, 10, 10>>(), 5);
  widens(layer<nn::conv_transpose2d<5, 3, 3, nn::window{.padding = 1}>, image<float, 5, 9, 6>>(), 3);
  constexpr std::array rounded_ones{element::bfloat16};
  widens(layer<nn::linear<256, 512>, tensor<float, 200, 256>>(), 32, rounded_ones);  // 4 samples at a time
  widens(layer<nn::conv2d<16, 32, 3, nn::window{.padding = 1}>, image<float, 16, 64, 64>>(), 12, rounded_ones);
}

TEST_CASE("attention of bfloat16 is that of floats but for the rounding of probabilities and results") {
  if (!has_products()) return;
  constexpr nn::attention_options causal{.causal = true}, grouped{.causal = true, .key_value_heads = 1};
  multiplies(layer<nn::attention<4, causal>, tensor<float, 70, 192>>(), 2, 8);
  multiplies(layer<nn::attention<2>, tensor<float, 300, 96>>(), 2, 8);  // several tiles of keys
  multiplies(layer<nn::attention<2, grouped>, tensor<float, 70, 32>, tensor<float, 70, 16>, tensor<float, 70, 16>>(), 2,
             8);
}

}  // namespace bfloat16_kernels_tests
