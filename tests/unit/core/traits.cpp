// SPDX-License-Identifier: MIT
// What a module says about itself: facts, FLOPs of all its inputs, and the shapes of what it saves.
#include <remat/core/traits.hpp>
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <memory>
#include <vector>

namespace traits_tests {

using Catch::Contains;
using remat::image, remat::reads, remat::tensor, remat::tensors;

static_assert(!remat::module::is.in_place && remat::module::is.fuses.bits == 0);
static_assert(remat::nn::relu::is.in_place && remat::nn::relu::is.acts_as == remat::activation::relu);
static_assert(reads::saved(1).reads_saved(1) && !reads::saved(1).reads_saved(0) && !reads::saved(1).reads_input(1));
static_assert(reads::saved.reads_saved(7) && (reads::input(0) | reads::saved).reads_saved(0));

/// The product of two tensors with a constant, whose facts and FLOPs depend on both.
struct scaled_product : remat::module {
  static constexpr std::string_view kind = "scaled_product";
  template <class X, class Y>
  static X output(X, Y);
  template <class X, class Y>
  static constexpr remat::traits is(X, Y) {
    return {.in_place = remat::shape_of<Y>::value.elements() == 1, .fuses = {remat::activation::tanh}};
  }
  static constexpr double flops(remat::tensor_shapes inputs, remat::tensor_shapes outputs) {
    return static_cast<double>(100 * inputs.size() + 10 * inputs[1].elements() + outputs.size());
  }
  static void forward(const remat::forward_pass&) {}
};

TEST_CASE("an operation holds what its module is of its inputs, and the FLOPs of all of them") {
  using pair = tensors<tensor<float, 6>, tensor<float, 1>>;
  const remat::program one = remat::lower<scaled_product, pair>();
  CHECK(one.operations[0].is.in_place);
  CHECK(one.operations[0].is.fuses.contains(remat::activation::tanh));
  CHECK(one.operations[0].flops == 211);
  const remat::program six = remat::lower<scaled_product, tensors<tensor<float, 6>, tensor<float, 2, 3>>>();
  CHECK_FALSE(six.operations[0].is.in_place);
  CHECK(six.operations[0].flops == 261);
  const remat::program flat =
      remat::lower<remat::sequential<remat::nn::add, remat::nn::relu>, tensors<tensor<float, 6>, tensor<float, 6>>>();
  CHECK(flat.operations[0].is.passes_gradient);
  CHECK_FALSE(flat.operations[1].is.passes_gradient);
}

struct prepared_rows : remat::prepared {
  explicit prepared_rows(const remat::preparation& p) : rows(p.saved[1].elements()) {}
  std::size_t rows;
};

/// Each row divided by its length: y = x / |x|. It saves a copy of its input, which nobody reads, and the lengths.
template <int Read>
struct unit_rows : remat::module {
  static constexpr std::string_view kind = "unit_rows";
  template <std::size_t T, std::size_t D>
  static tensor<float, T, D> output(tensor<float, T, D>);
  template <std::size_t T, std::size_t D>
  static tensors<tensor<float, T, D>, tensor<float, T>> saved_shape(tensor<float, T, D>);
  static constexpr reads backward_input_reads = reads::outputs | reads::saved(Read);

  static std::unique_ptr<remat::prepared> prepare(const remat::preparation& p) {
    return std::make_unique<prepared_rows>(p);
  }
  static void forward(const remat::forward_pass& pass) {
    const auto x = pass.input();
    const auto lengths = pass.saved(1);
    const std::size_t width = pass.input_shape().elements() / pass.prepared_as<prepared_rows>().rows;
    for (std::size_t i = 0; i < x.size(); i += width) {
      double square = 0;
      for (std::size_t k = i; k < i + width; ++k) square += static_cast<double>(x[k]) * static_cast<double>(x[k]);
      const float length = static_cast<float>(std::sqrt(square));
      for (std::size_t k = i; k < i + width; ++k) pass.output()[k] = x[k] / length;
      if (!lengths.empty()) lengths[i / width] = length;
    }
  }
  static void backward_input(const remat::backward_pass& pass) {
    const auto y = pass.output(), dy = pass.output_gradient(), lengths = pass.saved(1);
    const std::size_t width = pass.output_shape().elements() / pass.saved_shape(1).elements();
    pass.input_gradient().assign([=](std::size_t i) {
      float along = 0;
      for (std::size_t k = i - i % width; k < i - i % width + width; ++k) along += y[k] * dy[k];
      return (dy[i] - y[i] * along) / lengths[i / width];
    });
  }
};

TEST_CASE("a layer with saved tensors keeps those that backward reads, and its kernels see their shapes") {
  using input = tensor<float, 3, 4>;
  const auto gradients = remat::check_gradients<unit_rows<1>, input>();
  INFO(gradients);
  CHECK(gradients.holds());
  remat::model<unit_rows<1>, input> m{{.seed = 1, .input_gradients = true}};
  m.forward(std::vector<float>(24, 2.0f));
  m.backward(std::vector<float>(24, 1.0f));
  const auto kept = m.plan().kept;
  REQUIRE(kept.size() == 2);
  CHECK((kept[0].bytes == 2 * 48 && kept[1].bytes == 2 * 12));
  CHECK_THROWS_WITH((remat::check_gradients<unit_rows<0>, input>()),
                    Contains("unit_rows: backward reads saved tensor 1 without saying so"));
  CHECK_THROWS_WITH((remat::lower<unit_rows<2>, input>()),
                    Contains("backward reads a tensor that is not there: the module 'unit_rows' has 2 saved tensors"));
}

}  // namespace traits_tests
