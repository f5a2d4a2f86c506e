// SPDX-License-Identifier: MIT
// A batch norm that uses and keeps its running statistics in training: PyTorch 2.15's values after `bn.eval()`, the
// same bits whoever says so and whatever is recomputed, and no more memory than is planned.
#include "same_bits.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace batch_norm_on_kept_states_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;

using values = std::vector<float>;
using image = remat::image<float, 3, 2, 2>;
using plain = remat::sequential<nn::conv2d<3, 3, 1>, nn::batch_norm2d<3>>;
using with_relu = remat::sequential<nn::conv2d<3, 3, 1>, nn::batch_norm2d<3>, nn::relu>;

values counted(std::size_t size, int factor, int modulus, int middle, float divisor) {
  values v(size);
  for (std::size_t i = 0; i < size; ++i)
    v[i] = static_cast<float>(static_cast<int>(i) * factor % modulus - middle) / divisor;
  return v;
}
const values x = counted(24, 7, 11, 5, 4), t = counted(24, 3, 5, 2, 2);

template <class Net>
remat::model<Net, image, nn::mse_loss> made(const remat::model_options& options) {
  remat::model<Net, image, nn::mse_loss> m{options};
  const auto fill = [](std::span<float> to, const values& from) { std::ranges::copy(from, to.begin()); };
  fill(m.parameter("0.weight").values, counted(9, 5, 7, 3, 4));
  fill(m.parameter("0.bias").values, {0.25f, -0.5f, 0.75f});
  fill(m.parameter("1.weight").values, {0.5f, 1.5f, -2.0f});
  fill(m.parameter("1.bias").values, {0.25f, -0.25f, 0.5f});
  fill(m.states()[0].values, {0.5f, -0.25f, 0.125f});
  fill(m.states()[1].values, {0.5f, 2.0f, 1.25f});
  return m;
}
void check(std::span<const float> found, const values& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(static_cast<double>(found[i]) == Approx(static_cast<double>(expected[i])).epsilon(2e-6).margin(2e-7));
}
const remat::model_options on_statistics{.running_statistics = {"1"}, .input_gradients = true};

TEST_CASE("Without a relu, the values are PyTorch's") {
  auto m = made<plain>(on_statistics);
  CHECK(static_cast<double>(m.train_step(x, t)) == Approx(1.866154670715332).epsilon(1e-6));
  check(m.input_gradient(),
        {-0.119532488f,   -0.0270310678f, 0.0124777257f, 0.135702372f,   -0.0467464514f, -0.271599591f,
         0.226442948f,    -0.0512593575f, 0.0724006444f, 0.150462568f,   -0.128929049f,  -0.0639739707f,
         0.032333944f,    -0.0213272162f, 0.195067391f,  -0.090822272f,  -0.229770809f,  0.0808358938f,
         -0.00943055749f, -0.437986672f,  0.0427817143f, 0.00497092679f, -0.17165482f,   0.216637701f});
  check(m.parameter("0.weight").gradient, {-0.339237809f, 0.0847671032f, 0.0168886408f, -0.551151991f, 0.325404286f,
                                           0.179456949f, -0.0689763427f, -1.09755993f, 0.92302537f});
  check(m.parameter("0.bias").gradient, {0.0118984915f, -0.499040306f, 0.494911551f});
  check(m.parameter("1.weight").gradient, {0.587674499f, 0.459502339f, -0.805623174f});
  check(m.parameter("1.bias").gradient, {0.0168271661f, -0.470500857f, -0.276665062f});
  check(m.states()[0].values, {0.5f, -0.25f, 0.125f});
  check(m.states()[1].values, {0.5f, 2.0f, 1.25f});
}

TEST_CASE("With a fused relu, the values are PyTorch's, whether its parameters train or are frozen") {
  for (const bool is_frozen : {false, true}) {
    remat::model_options options = on_statistics;
    if (is_frozen) options.frozen = {"1"};
    auto m = made<with_relu>(options);
    CHECK(static_cast<double>(m.train_step(x, t)) == Approx(0.8113100528717041).epsilon(1e-6));
    check(m.input_gradient(),
          {-0.119532488f, 0.0f,           0.0124777257f, 0.0208331682f,  -0.0467464514f, 0.0f,
           0.226442948f,  0.0624995045f,  0.0724006444f, 0.0f,           -0.128929049f,  -0.0416663364f,
           0.0f,          -0.0213272162f, 0.0581008196f, 0.0f,           0.0f,           0.0808358938f,
           0.174302459f,  0.0f,           0.0f,          0.00497092679f, -0.116201639f,  0.0f});
    check(m.parameter("0.weight").gradient, {-0.160428286f, 0.0789597258f, -0.120530277f, -0.0513553992f, 0.0865114778f,
                                             -0.0283775851f, -0.426035702f, -0.254971683f, 0.326036513f});
    check(m.parameter("0.bias").gradient, {0.159592003f, 0.0919112489f, -0.464806557f});
    CHECK(m.parameter("1.weight").gradient.size() == (is_frozen ? 0 : 3));
    if (!is_frozen) {
      check(m.parameter("1.weight").gradient, {0.23980616f, 0.0403260626f, -0.0851259306f});
      check(m.parameter("1.bias").gradient, {0.22569944f, 0.0866549686f, 0.259835809f});
    }
    check(m.predict(x),
          {0.824518502f,  0.0f,         0.691937327f, 0.0f,       0.0814554691f, 0.0f,         0.479202032f, 0.0f,
           0.0527881831f, 0.0f,         0.723605931f, 1.0590148f, 0.0f,          0.691937327f, 0.0f,         0.0f,
           0.0f,          0.479202032f, 0.0f,         0.0f,       0.0f,          0.723605931f, 1.0590148f,   0.0f});
    check(m.states()[1].values, {0.5f, 2.0f, 1.25f});
  }
}

TEST_CASE("A tag in the type says the same as the option") {
  using tagged = remat::sequential<nn::conv2d<3, 3, 1>, remat::running_statistics<nn::batch_norm2d<3>>, nn::relu>;
  auto a = made<tagged>({.input_gradients = true});
  auto b = made<with_relu>(on_statistics);
  CHECK(a.train_step(x, t) == b.train_step(x, t));
  CHECK(same_bits(a.input_gradient(), b.input_gradient()));
  CHECK(same_bits(a.parameter("1.weight").gradient, b.parameter("1.weight").gradient));
  auto frozen = made<
      remat::sequential<nn::conv2d<3, 3, 1>, remat::frozen<remat::running_statistics<nn::batch_norm2d<3>>>, nn::relu>>(
      {.input_gradients = true});
  CHECK(frozen.train_step(x, t) == a.train_step(x, t));
  check(frozen.input_gradient(), values(a.input_gradient().begin(), a.input_gradient().end()));
}

using block =
    remat::residual<remat::sequential<nn::conv2d<4, 4, 3, nn::window{.padding = 1}>, nn::batch_norm2d<4>, nn::relu,
                                      nn::conv2d<4, 4, 3, nn::window{.padding = 1}>, nn::batch_norm2d<4>>>;
using deep = remat::sequential<nn::conv2d<3, 4, 3, nn::window{.padding = 1}>, nn::batch_norm2d<4>, nn::relu, block,
                               nn::relu, nn::flatten, nn::linear<256, 5>>;
using deep_model = remat::model<deep, remat::image<float, 3, 8, 8>, nn::cross_entropy>;

TEST_CASE("Bits are the same under all checkpoints, planned memory is used memory, and less of it waits") {
  values images(4 * 192);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  const std::vector<std::int32_t> labels{0, 4, 2, 1};
  const auto gradients_of = [&](remat::model_options options) {
    options.seed = 3;
    deep_model m{options};
    values all;
    for (int step = 0; step < 2; ++step) {
      all.push_back(m.train_step(images, labels));
      for (const remat::parameter_view& p : m.parameters()) all.insert(all.end(), p.gradient.begin(), p.gradient.end());
    }
    for (const remat::state_view& s : m.states()) all.insert(all.end(), s.values.begin(), s.values.end());
    CHECK(remat::audit(m, images, labels).holds());
    return all;
  };
  for (const bool is_frozen : {false, true}) {
    remat::model_options options{.running_statistics = {""}};
    if (is_frozen) options.frozen = {"1", "3.1", "3.4"};
    options.checkpoints = remat::checkpoints::none();
    const values all = gradients_of(options);
    for (const remat::checkpoint_at& each :
         {remat::checkpoint_at(""), remat::checkpoint_at("", remat::strategy::each{}), remat::checkpoint_at("3")}) {
      options.checkpoints = {each};
      CHECK(same_bits(gradients_of(options), all));
    }
  }
  const auto kept = [](const remat::model_options& options) { return deep_model(options).plan(4).kept_bytes; };
  const std::vector<std::string> norms{"1", "3.1", "3.4"};
  CHECK(kept({.running_statistics = {""}}) < kept({}));
  CHECK(kept({.frozen = norms, .running_statistics = norms}) < kept({.running_statistics = norms}));
}

TEST_CASE("One value for a channel is enough, and what has no statistics is refused") {
  using pixel = remat::image<float, 3, 1, 1>;
  remat::model<plain, pixel, nn::mse_loss> m{{.running_statistics = {"1"}}};
  CHECK(m.train_step(values(3, 1.0f), values(3, 0.0f)) >= 0);
  CHECK_THROWS_WITH((remat::model<plain, pixel, nn::mse_loss>{{.running_statistics = {"0"}}}),
                    Contains("'0' has no running statistics"));
  CHECK_THROWS_WITH((remat::model<plain, pixel, nn::mse_loss>{{.running_statistics = {"7"}}}), Contains("'7'"));
}

TEST_CASE("Batch norms that share their statistics keep them together") {
  using norm = remat::shared<"norm", nn::batch_norm2d<3>>;
  using net = remat::sequential<norm, nn::relu, norm>;
  remat::model<net, image, nn::mse_loss> m{{.running_statistics = {"0"}}};
  m.train_step(x, t);
  check(m.states()[0].values, {0.0f, 0.0f, 0.0f});
}

}  // namespace batch_norm_on_kept_states_tests
