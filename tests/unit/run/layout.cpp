// SPDX-License-Identifier: MIT
// How tensors are in memory follows from their type: a tensor of three extents goes in and out as it is, an image
// channels-last, whatever its element type.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace layout_tests {

namespace nn = remat::nn;
using remat::image, remat::sequential, remat::tensor;

/// y[i] = (1 + i) x[i] by the position in memory, of a whole batch.
struct weigh_by_place : remat::module {
  static constexpr std::string_view kind = "weigh_by_place";
  template <class X>
  static X output(X);
  static void forward(const remat::forward_pass& pass) {
    for (std::size_t i = 0; i < pass.input().size(); ++i) pass.output()[i] = weight(i) * pass.input()[i];
  }
  static void backward_input(const remat::backward_pass& pass) {
    const auto dy = pass.output_gradient();
    pass.input_gradient().assign([=](std::size_t i) { return weight(i) * dy[i]; });
  }
  static float weight(std::size_t i) { return static_cast<float>(1 + i); }
};

/// Gives integers as floats.
struct as_floats : remat::module {
  static constexpr std::string_view kind = "as_floats";
  template <class T, std::size_t C, std::size_t H, std::size_t W>
  static tensor<float, C, H, W> output(image<T, C, H, W>);
  template <class T, std::size_t A, std::size_t B, std::size_t C>
  static tensor<float, A, B, C> output(tensor<T, A, B, C>);
  static void forward(const remat::forward_pass& pass) {
    if (pass.input_shape().type == remat::element::uint8)
      copy(pass.input<std::uint8_t>(), pass.output());
    else
      copy(pass.input<std::int32_t>(), pass.output());
  }

 private:
  static void copy(auto from, std::span<float> to) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(from[i]);
  }
};

std::vector<float> numbers(std::size_t count, float first = 0.5f) {
  std::vector<float> made(count);
  std::iota(made.begin(), made.end(), first);
  return made;
}
std::vector<float> weighed(std::vector<float> x) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= weigh_by_place::weight(i);
  return x;
}
/// (N, C, pixels) as (N, pixels, C).
template <class T>
std::vector<T> channels_last(const std::vector<T>& x, std::size_t channels, std::size_t pixels) {
  std::vector<T> made(x.size());
  for (std::size_t n = 0, i = 0; i < x.size(); ++n)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t p = 0; p < pixels; ++p, ++i) made[(n * pixels + p) * channels + c] = x[i];
  return made;
}
std::vector<float> copied(std::span<const float> values) { return {values.begin(), values.end()}; }

constexpr std::size_t batch = 3, elements = 4 * 6 * 8;

TEST_CASE("a tensor of three extents goes in and out of a user's layers unpermuted, and so do its gradients") {
  remat::model<sequential<weigh_by_place, nn::relu, weigh_by_place>, tensor<float, 4, 6, 8>> m{
      {.seed = 1, .input_gradients = true}};
  const std::vector<float> x = numbers(batch * elements), dy = numbers(batch * elements, -100);
  const std::vector<float> y = weighed(weighed(x)), dx = weighed(weighed(dy));
  CHECK(copied(m.predict(x)) == y);
  CHECK(copied(m.forward(x)) == y);
  m.backward(dy);
  CHECK(copied(m.input_gradient()) == dx);
  CHECK(remat::check_gradients<weigh_by_place, tensor<float, 2, 3, 2>>().holds());
}

TEST_CASE("an image is channels-last inside of a model, and (N, C, H, W) outside") {
  remat::model<weigh_by_place, image<float, 4, 6, 8>> m{{.seed = 1, .input_gradients = true}};
  const std::vector<float> x = numbers(batch * elements), dy = numbers(batch * elements, -100);
  const std::vector<float> y = weighed(channels_last(x, 4, 48)), dx = weighed(channels_last(dy, 4, 48));
  CHECK(channels_last(copied(m.predict(x)), 4, 48) == y);
  CHECK(channels_last(copied(m.forward(remat::channels_last(channels_last(x, 4, 48)))), 4, 48) == y);
  m.backward(dy);
  CHECK(channels_last(copied(m.input_gradient()), 4, 48) == dx);
}

TEST_CASE("flatten takes a tensor as it is, and an image in its logical order") {
  const std::vector<float> x = numbers(batch * elements);
  const auto flat = [&]<class Input>(Input) {
    remat::model<sequential<weigh_by_place, nn::flatten>, Input> m{{.seed = 1}};
    return copied(m.predict(x));
  };
  CHECK(flat(tensor<float, 4, 6, 8>{}) == weighed(x));
  CHECK(channels_last(flat(image<float, 4, 6, 8>{}), 4, 48) == weighed(channels_last(x, 4, 48)));
}

TEST_CASE("targets of a loss are permuted with the outputs that they are compared with") {
  const std::vector<float> x = numbers(batch * elements);
  const auto loss_at_itself = [&]<class Input>(Input) {
    remat::model<nn::relu, Input, nn::mse_loss> m{{.seed = 1}};
    return m.train_step(x, x);
  };
  CHECK(loss_at_itself(tensor<float, 4, 6, 8>{}) == 0);
  CHECK(loss_at_itself(image<float, 4, 6, 8>{}) == 0);
}

template <class Input, class T>
std::vector<float> seen_by_kernel(const std::vector<T>& x) {
  remat::model<as_floats, Input> m{{.seed = 1}};
  return copied(m.predict(x));
}

TEST_CASE("integers of images are permuted as floats are, those of tensors stay") {
  std::vector<int> x(batch * elements);
  std::iota(x.begin(), x.end(), -7);
  const std::vector<float> as_given(x.begin(), x.end());
  CHECK(seen_by_kernel<tensor<std::int32_t, 4, 6, 8>>(x) == as_given);
  CHECK(seen_by_kernel<image<std::int32_t, 4, 6, 8>>(x) == channels_last(as_given, 4, 48));
  std::vector<std::uint8_t> bytes(batch * elements);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{3});
  const std::vector<float> bytes_as_given(bytes.begin(), bytes.end());
  CHECK(seen_by_kernel<tensor<std::uint8_t, 4, 6, 8>>(bytes) == bytes_as_given);
  CHECK(seen_by_kernel<image<std::uint8_t, 4, 6, 8>>(bytes) == channels_last(bytes_as_given, 4, 48));
}

TEST_CASE("what is no image is not taken as channels-last") {
  using Catch::Matchers::Contains;
  const std::vector<float> x = numbers(batch * elements);
  remat::model<weigh_by_place, tensor<float, 4, 6, 8>> m{{.seed = 1}};
  CHECK_THROWS_WITH(m.predict(remat::channels_last(x)), Contains("input 0 is given as channels_last") &&
                                                            Contains("declares it as a tensor of float32 (4, 6, 8)") &&
                                                            Contains("declare it as remat::image"));
  m.forward(x);
  CHECK_THROWS_WITH(m.backward(remat::channels_last(x)),
                    Contains("the gradient of output 0 is given as channels_last"));
  m.backward(x);
}

TEST_CASE("metrics take the classes of a tensor from its last extent, those of an image from its channels") {
  const std::vector<float> scores{0, 1, 2, 3, 5, 4};  // (2, 1, 3), of one sample
  const auto right = [&]<class Input>(Input, const std::vector<int>& targets) {
    remat::model<nn::relu, Input> m{{.seed = 1}};
    return m.evaluate(std::vector{std::pair(scores, targets)}, remat::accuracy{});
  };
  CHECK(right(tensor<float, 2, 1, 3>{}, {2, 1}) == 1);
  CHECK(right(image<float, 2, 1, 3>{}, {1, 1, 0}) == Approx(2.0 / 3));
}

}  // namespace layout_tests
