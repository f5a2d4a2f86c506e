// SPDX-License-Identifier: MIT
// Element types: their sizes, and that a kernel sees elements as what they are.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace element_tests {

using Catch::Matchers::Contains;
using remat::element, remat::tensor;

static_assert(remat::size_of(element::float32) == 4 && remat::size_of(element::int32) == 4 &&
              remat::size_of(element::uint8) == 1 && remat::size_of(element::uint32) == 4 &&
              remat::size_of(element::uint64) == 8);
static_assert(remat::name_of(element::uint8) == "uint8" && remat::name_of(element::float32) == "float32");
static_assert(remat::is_element<std::uint8_t> && !remat::is_element<double>);

/// Gives integers as floats, seen as T.
template <class T>
struct seen_as : remat::module {
  static constexpr std::string_view kind = "seen_as";
  template <class Given, std::size_t D>
  static tensor<float, D> output(tensor<Given, D>);
  static void forward(const remat::forward_pass& pass) {
    const auto x = pass.input<T>();
    const auto y = pass.output();
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<float>(x[i]);
  }
};

/// Keeps bytes, and reads them in backward as T.
template <class T>
struct saves_bytes : remat::module {
  static constexpr std::string_view kind = "saves_bytes";
  template <std::size_t D>
  static tensor<float, D> output(tensor<float, D>);
  template <std::size_t D>
  static tensor<std::uint8_t, D> saved_shape(tensor<float, D>);
  static constexpr auto backward_input_reads = remat::reads::saved;
  static void forward(const remat::forward_pass& pass) {
    const auto is_positive = pass.saved<std::uint8_t>();
    for (std::size_t i = 0; i < pass.input().size(); ++i) {
      pass.output()[i] = pass.input()[i] > 0 ? pass.input()[i] : 0;
      if (!is_positive.empty()) is_positive[i] = pass.input()[i] > 0 ? 1 : 0;
    }
  }
  static void backward_input(const remat::backward_pass& pass) {
    const auto is_positive = pass.saved<T>();
    const auto dy = pass.output_gradient();
    pass.input_gradient().assign([=](std::size_t i) { return static_cast<int>(is_positive[i]) == 1 ? dy[i] : 0; });
  }
};

template <class Given, class Seen>
std::vector<float> predicted() {
  remat::model<seen_as<Seen>, tensor<Given, 3>> m{{.seed = 1}};
  const auto y = m.predict(std::vector<int>{1, 2, 3, 4, 5, 6});
  return {y.begin(), y.end()};
}

TEST_CASE("a kernel that views integers as another type is refused, by name and in one sentence") {
  const std::vector<float> right{1, 2, 3, 4, 5, 6};
  CHECK(predicted<std::int32_t, std::int32_t>() == right);
  CHECK(predicted<std::uint8_t, std::uint8_t>() == right);
  CHECK_THROWS_WITH((predicted<std::int32_t, float>()),
                    Contains("seen_as: input 0 holds int32, and its kernel asks for float32"));
  CHECK_THROWS_WITH((predicted<std::uint8_t, std::int32_t>()), Contains("input 0 holds uint8") && Contains("int32"));
  CHECK_THROWS_WITH((predicted<std::int32_t, std::uint8_t>()), Contains("input 0 holds int32") && Contains("uint8"));
}

/// Says that it takes floats of either type, and is given integers.
struct takes_floats : remat::module {
  static constexpr std::string_view kind = "takes_floats";
  template <class T, std::size_t D>
  static tensor<float, D> output(tensor<T, D>);
  static constexpr remat::traits is{.takes_bfloat16 = true};
  static void forward(const remat::forward_pass& pass) {
    remat::nn::copy_numbers(pass.input_numbers(), pass.output_numbers());
  }
};

TEST_CASE("floats of either type are no integers, and a tensor that is not there is none") {
  remat::model<takes_floats, tensor<std::uint8_t, 3>> m{{.seed = 1}};
  CHECK_THROWS_WITH(m.predict(std::vector<std::uint8_t>{1, 2, 3}),
                    Contains("takes_floats: input 0 holds uint8, and its kernel asks for float32"));
  struct reads_two : seen_as<float> {
    static void forward(const remat::forward_pass& pass) { pass.output()[0] = pass.input(1)[0]; }
  };
  remat::model<reads_two, tensor<float, 3>> two{{.seed = 1}};
  CHECK_THROWS_WITH(two.predict(std::vector<float>(3)), Contains("seen_as: there is no input 1"));
  struct gives_two : seen_as<float> {
    static void forward(const remat::forward_pass& pass) { pass.output(1)[0] = pass.input_numbers(0).size > 0 ? 1 : 0; }
  };
  remat::model<gives_two, tensor<float, 3>> other{{.seed = 1}};
  CHECK_THROWS_WITH(other.predict(std::vector<float>(3)), Contains("seen_as: there is no output 1"));
}

TEST_CASE("what forward saved is viewed as what it is, or as its bytes") {
  const std::vector<float> x{1, -1, 2}, dy{5, 6, 7};
  const auto gradient = [&]<class Layer>(Layer) {
    remat::model<Layer, tensor<float, 3>> m{{.seed = 1, .input_gradients = true}};
    m.forward(x);
    m.backward(dy);
    const auto dx = m.input_gradient();
    return std::vector<float>(dx.begin(), dx.end());
  };
  CHECK(gradient(saves_bytes<std::uint8_t>{}) == std::vector<float>{5, 0, 7});
  CHECK(gradient(saves_bytes<std::byte>{}) == std::vector<float>{5, 0, 7});
  CHECK_THROWS_WITH(gradient(saves_bytes<float>{}), Contains("saves_bytes: saved tensor 0 holds uint8"));
}

TEST_CASE("what an operation computes with is chosen before fusion") {
  using net = remat::sequential<remat::nn::linear<3, 4>, remat::nn::relu>;
  remat::program p = remat::lower<net, tensor<float, 3>>();
  p.operations[1].compute = element::uint8;  // as if nobody had chosen
  p = remat::fuse(p);
  REQUIRE(p.operations.size() == 1);
  CHECK(p.operations[0].compute == element::float32);
}

}  // namespace element_tests
