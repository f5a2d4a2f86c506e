// SPDX-License-Identifier: MIT
// Micro-batches: gradients add up to those of the batch, and nothing depends on what is recomputed.
#include "random_batch.hpp"
#include "same_bits.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace micro_batches_tests {

namespace nn = remat::nn;
using net = remat::sequential<nn::conv2d<2, 6, 3, nn::window{.padding = 1}>, nn::relu, nn::max_pool2d<2>, nn::flatten,
                              nn::linear<96, 32>, nn::tanh, nn::linear<32, 5>, nn::log_softmax>;
using model = remat::model<net, remat::image<float, 2, 8, 8>, nn::nll_loss>;

void require_close(const remat::network& found, const remat::network& wanted) {
  for (std::size_t i = 0; i < wanted.parameters().size(); ++i) {
    double off = 0, norm = 0;
    const auto &a = wanted.parameters()[i].gradient, &b = found.parameters()[i].gradient;
    for (std::size_t k = 0; k < a.size(); ++k) {
      off += std::pow(static_cast<double>(a[k] - b[k]), 2);
      norm += std::pow(static_cast<double>(a[k]), 2);
    }
    INFO(wanted.parameters()[i].name);
    CHECK(std::sqrt(off / norm) < 1e-5);
  }
}

TEST_CASE("micro-batches give the gradients of the batch, up to rounding") {
  const auto data = networks::random_batch(12, 128, 1, 5, 3);
  model whole{{.seed = 1, .input_gradients = true}};
  const float loss = whole.train_step(data.inputs, data.targets);
  for (std::size_t parts : {2u, 3u, 4u, 12u}) {
    model split{{.seed = 1, .microbatches = parts, .input_gradients = true}};
    for (int twice = 0; twice < 2; ++twice) CHECK(split.train_step(data.inputs, data.targets) == Approx(loss));
    require_close(split, whole);
    REQUIRE(split.input_gradient().size() == whole.input_gradient().size());
    for (std::size_t k = 0; k < split.input_gradient().size(); k += 7)
      CHECK(split.input_gradient()[k] == Approx(whole.input_gradient()[k]).margin(1e-6));
    CHECK(split.plan().batch == 12 / parts);
  }
}

TEST_CASE("a batch that does not split evenly is split as evenly as possible") {
  for (const std::size_t batch : {1u, 2u, 5u, 7u, 10u, 11u}) {
    const auto data = networks::random_batch(batch, 128, 1, 5, batch);
    model whole{{.seed = 1, .input_gradients = true}};
    const float loss = whole.train_step(data.inputs, data.targets);
    for (const std::size_t parts : {2u, 3u, 4u, 8u}) {
      if (batch < parts) continue;  // refused
      INFO(batch << " in " << parts);
      model split{{.seed = 1, .microbatches = parts, .input_gradients = true}};
      for (int twice = 0; twice < 2; ++twice) CHECK(split.train_step(data.inputs, data.targets) == Approx(loss));
      CHECK(split.plan().batch == (batch + parts - 1) / parts);
      require_close(split, whole);
      REQUIRE(split.input_gradient().size() == whole.input_gradient().size());
      for (std::size_t k = 0; k < split.input_gradient().size(); ++k)
        CHECK(split.input_gradient()[k] == Approx(whole.input_gradient()[k]).margin(1e-6));
    }
  }
  CHECK_THROWS_WITH((model{{.microbatches = 0}}), Catch::Matchers::Contains("at least one micro-batch"));
}

TEST_CASE("a model of eight inputs and targets trains in parts") {
  using x = remat::tensor<float, 3>;
  using joined = remat::sequential<remat::nn::add, remat::nn::linear<3, 2>>;
  using eight = remat::model<joined, remat::tensors<x, x, x, x, x, x, x, x>, remat::nn::cross_entropy>;
  const std::vector<float> first{1, 2, 3, 4, 5, 6}, other{-1, 0.5f, 0, 2, -3, 1}, none(6);
  const std::vector<std::int32_t> targets{1, 0};
  std::vector<float> losses;
  for (const std::size_t parts : {1u, 2u}) {
    eight m{{.seed = 1, .microbatches = parts}};
    losses.push_back(m.train_step(first, none, none, none, none, none, none, other, targets));
    // The same of their sum.
    remat::model<remat::sequential<remat::nn::linear<3, 2>>, x, remat::nn::cross_entropy> one{{.seed = 1}};
    std::vector<float> sum(6);
    for (std::size_t i = 0; i < 6; ++i) sum[i] = first[i] + other[i];
    CHECK(losses.back() == Approx(one.train_step(sum, targets)));
  }
}

TEST_CASE("batches of all sizes pass through one model, in any order, as through a new one") {
  model m{{.seed = 1, .microbatches = 3}};
  for (const std::size_t batch : {6u, 7u, 5u, 12u, 3u, 7u, 4u, 8u}) {
    const auto data = networks::random_batch(batch, 128, 1, 5, batch);
    const float loss = m.train_step(data.inputs, data.targets);
    model fresh{{.seed = 1, .microbatches = 3}};
    CHECK(fresh.train_step(data.inputs, data.targets) == loss);
    for (std::size_t i = 0; i < m.parameters().size(); ++i) {
      const auto &a = m.parameters()[i].gradient, &b = fresh.parameters()[i].gradient;
      CHECK(same_bits(a, b));
    }
  }
}

TEST_CASE("a batch of fewer samples than micro-batches is refused, and leaves the model as it was") {
  model m{{.seed = 1, .microbatches = 3}}, other{{.seed = 1, .microbatches = 3}};
  const auto few = networks::random_batch(2, 128, 1, 5, 1), enough = networks::random_batch(3, 128, 1, 5, 2);
  CHECK_THROWS_WITH(
      m.train_step(few.inputs, few.targets),
      Catch::Matchers::Contains("a batch of 2 does not split into 3 micro-batches; take at least 3 samples"));
  CHECK_THROWS_WITH(m.planned_memory(2), Catch::Matchers::Contains("a batch of 2 does not split into 3"));
  CHECK(m.steps() == 0);
  CHECK(m.train_step(enough.inputs, enough.targets) == other.train_step(enough.inputs, enough.targets));
}

TEST_CASE("a loss is a mean over the targets that count in the whole batch, whatever its micro-batches") {
  using small = remat::sequential<nn::linear<2, 3>>;
  const std::vector<float> x{1, 2, -1, 0.5f, 3, 1, 0.25f, -2};
  for (const std::vector<std::int32_t>& targets :
       {std::vector<std::int32_t>{0, -100, 1, 2}, {-100, -100, 1, 2}, {-100, -100, -100, 2}, {1, -100, -100, -100}}) {
    remat::model<small, remat::tensor<float, 2>, nn::cross_entropy> whole{{.seed = 1}};
    const float loss = whole.train_step(x, targets);
    for (const std::size_t parts : {2u, 3u, 4u}) {
      remat::model<small, remat::tensor<float, 2>, nn::cross_entropy> split{{.seed = 1, .microbatches = parts}};
      CHECK(split.train_step(x, targets) == Approx(loss).epsilon(1e-6));
      require_close(split, whole);
    }
  }
}

TEST_CASE("a batch of which nothing counts has no loss and gradients of 0, whatever its micro-batches") {
  const auto data = networks::random_batch(5, 128, 1, 5, 3);
  const std::vector<std::int32_t> ignored(5, -100);
  for (const std::size_t parts : {1u, 2u, 5u}) {
    model m{{.seed = 1, .microbatches = parts}};
    CHECK(std::isnan(m.train_step(data.inputs, ignored)));
    for (const remat::parameter_view& p : m.parameters())
      for (const float g : p.gradient) CHECK(g == 0);
  }
}

using one_linear = remat::sequential<nn::linear<2, 3>>;
using weighted = nn::cross_entropy_with<nn::class_weights<3>>;
using weighted_and_smooth = nn::cross_entropy_with<nn::class_weights<3>, nn::label_smoothing<0.125>>;
using weighted_linear =
    nn::linear_cross_entropy<3, 3, remat::nn::bias::with, nn::class_weights<3>, nn::label_smoothing<0.125>>;

const std::vector<float> four_samples{1, 2, -1, 0.5f, 3, 1, 0.25f, -2};

/// A model whose loss weighs the three classes.
template <class Loss>
auto weighted_model(std::size_t parts, const std::vector<float>& weights) {
  remat::model<one_linear, remat::tensor<float, 2>, Loss> made{{.seed = 1, .microbatches = parts}};
  std::ranges::copy(weights, made.states()[0].values.begin());
  return made;
}

template <class Loss>
void check_parts_that_count_nothing() {
  // The class of the first two targets weighs nothing, so that micro-batches of them alone have no mean.
  const std::vector<std::int32_t> targets{0, 0, 1, 2};
  const std::vector<float> weights{0, 0.5f, 2};
  auto whole = weighted_model<Loss>(1, weights);
  const float loss = whole.train_step(four_samples, targets);
  CHECK(std::isfinite(loss));
  for (const std::size_t parts : {2u, 3u, 4u}) {
    auto split = weighted_model<Loss>(parts, weights);
    CHECK(split.train_step(four_samples, targets) == Approx(loss).epsilon(1e-6));
    require_close(split, whole);
  }
}

/// Every gradient is NaN where the targets that are not ignored count nothing, and 0 where all are ignored.
template <class Loss>
void check_batch_that_counts_nothing() {
  for (const std::vector<std::int32_t>& targets :
       {std::vector<std::int32_t>{0, 0, 0, 0}, {0, -100, -100, -100}, {-100, -100, -100, -100}}) {
    const bool is_ignored = targets[0] == -100;
    for (const std::size_t parts : {1u, 2u, 3u, 4u}) {
      INFO((is_ignored ? "all ignored" : "weights of 0") << " in " << parts << " parts");
      auto split = weighted_model<Loss>(parts, {0, 0.5f, 2});
      CHECK(std::isnan(split.train_step(four_samples, targets)));
      for (const remat::parameter_view& p : split.parameters())
        for (const float g : p.gradient) CHECK((is_ignored ? g == 0 : std::isnan(g)));
    }
  }
}

TEST_CASE("micro-batches whose targets have weights of 0 add to the loss what they add in the whole batch") {
  check_parts_that_count_nothing<weighted>();
  check_parts_that_count_nothing<weighted_and_smooth>();
  check_parts_that_count_nothing<weighted_linear>();
}

TEST_CASE("a batch whose targets all have weights of 0 has gradients of NaN, and one that is ignored of 0") {
  check_batch_that_counts_nothing<weighted>();
  check_batch_that_counts_nothing<weighted_and_smooth>();
  check_batch_that_counts_nothing<weighted_linear>();
}

const std::vector<float> five_samples{1, 2, -1, 0.5f, 3, 1, 0.25f, -2, 1, 1}, five_targets{1, 2, 3, 4, 5};

/// Squared errors of samples whose second target, a weight, says how much they count.
struct weighted_error : remat::module {
  static constexpr std::string_view kind = "weighted_error";
  static remat::tensors<remat::tensor<float, 1>, remat::tensor<float>> target(remat::tensor<float, 1>);
  static remat::scalar<float> output(remat::tensor<float, 1>, remat::tensor<float, 1>, remat::tensor<float>);
  static constexpr remat::reads backward_input_reads = remat::reads::inputs;

  static double sum(std::span<const float> weights) {
    double all = 0;
    for (const float w : weights) all += static_cast<double>(w);
    return all;
  }
  static double counted(const remat::target_pass& pass) { return sum(pass.target(1)); }
  static void forward(const remat::forward_pass& pass) {
    double errors = 0;
    for (std::size_t i = 0; i < pass.batch(); ++i)
      errors +=
          static_cast<double>(pass.input(2)[i]) * std::pow(static_cast<double>(pass.input(0)[i] - pass.input(1)[i]), 2);
    pass.output()[0] = static_cast<float>(errors / sum(pass.input(2)));
  }
  static void backward_input(const remat::backward_pass& pass) {
    const double all = sum(pass.input(2));
    const float dy = all > 0 ? 2 * pass.output_gradient()[0] / static_cast<float>(all) : 0.0f;
    pass.input_gradient().assign([=, x = pass.input(0), t = pass.input(1), w = pass.input(2)](std::size_t i) {
      return w[i] * (x[i] - t[i]) * dy;
    });
  }
};

/// A loss of five samples with these weights is that of the whole batch, in any number of parts.
template <class Loss>
void check_weighted(const std::vector<float>& w) {
  using own = remat::model<remat::sequential<nn::linear<2, 1>>, remat::tensor<float, 2>, Loss>;
  own whole{{.seed = 1}};
  const float loss = whole.train_step(five_samples, five_targets, w);
  for (const std::size_t parts : {2u, 3u, 5u}) {
    own split{{.seed = 1, .microbatches = parts}};
    CHECK(split.train_step(five_samples, five_targets, w) == Approx(loss).epsilon(1e-6));
    require_close(split, whole);
  }
}

TEST_CASE("a loss of a user's own says what counts of its targets") {
  check_weighted<weighted_error>({0.5f, 0, 2, 1, 4});
  remat::model<remat::sequential<nn::linear<2, 1>>, remat::tensor<float, 2>, weighted_error> split{
      {.seed = 1, .microbatches = 2}};
  CHECK_THROWS_WITH(split.train_step(five_samples, five_targets, std::vector<float>{1, -2, -3, 1, 1}),
                    Catch::Contains("(weighted_error) counts -4.0") && Catch::Contains("finite number of at least 0"));
}

/// The same, and an error for each sample that counts whatever the weights are: it divides by what it is told.
struct weighted_error_and_more : weighted_error {
  static constexpr std::string_view kind = "weighted_error_and_more";
  static constexpr remat::traits is{.divides_by_counted_in_batch = true};
  struct kernels {
    static void forward(const remat::forward_pass& pass) {
      double errors = 0;
      for (std::size_t i = 0; i < pass.batch(); ++i)
        errors += (static_cast<double>(pass.input(2)[i]) + 0.5) *
                  std::pow(static_cast<double>(pass.input(0)[i] - pass.input(1)[i]), 2);
      pass.output()[0] = static_cast<float>(errors / pass.counted_in_batch().value_or(sum(pass.input(2))));
    }
    static void backward_input(const remat::backward_pass& pass) {
      const float dy =
          2 * pass.output_gradient()[0] / static_cast<float>(pass.counted_in_batch().value_or(sum(pass.input(2))));
      pass.input_gradient().assign([=, x = pass.input(0), t = pass.input(1), w = pass.input(2)](std::size_t i) {
        return (w[i] + 0.5f) * (x[i] - t[i]) * dy;
      });
    }
  };
};

TEST_CASE("a loss of a user's own may divide by what counts in the whole batch") {
  check_weighted<weighted_error_and_more>({0, 0, 2, 1, 0});
}

TEST_CASE("a step sees what has happened to parameters since the last, whose micro-batches share packed weights") {
  const auto data = networks::random_batch(8, 128, 1, 5, 3);
  model m{{.seed = 1, .microbatches = 4}};
  const float loss = m.train_step(data.inputs, data.targets);
  float& weight = m.parameter("0.weight").values[0];
  const float before = std::exchange(weight, weight + 1);
  CHECK(m.train_step(data.inputs, data.targets) != loss);
  weight = before;
  CHECK(m.train_step(data.inputs, data.targets) == loss);
}

}  // namespace micro_batches_tests
