// SPDX-License-Identifier: MIT
// Attention next to naive sums in double, over sizes that no tile divides.
#include "attention_run.hpp"
#include "larger.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <vector>

namespace attention_tests {

namespace nn = remat::nn;
using remat::tensor;

/// The largest difference, relative to the largest value.
double error_of(const floats& found, const std::vector<double>& wanted) {
  double largest = 1e-3, error = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::isinf(wanted[i]) && static_cast<double>(found[i]) == wanted[i]) continue;
    largest = std::max(largest, std::abs(wanted[i]));
    error = larger(error, std::abs(static_cast<double>(found[i]) - wanted[i]));
  }
  return error / largest;
}

constexpr double half_unit = 1.0 / (1 << 24);

/// What shares may be off by: sums of exponentials, whose scores are sums over the width of heads.
double bound_of_shares(const attention_run& run, const std::vector<double>& largest_scores) {
  double largest = 0;
  for (const double x : largest_scores)
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x) * run.scale());
  const auto& p = run.problem();
  return half_unit * (static_cast<double>(p.keys + 8) + static_cast<double>(p.width + 8) * largest);
}

void check_naive(attention_run& run) {
  run.forward();
  run.backward();
  const auto wanted = run.naive();
  CHECK(error_of(run.output, wanted.output) < 2e-6);
  CHECK(error_of(run.largest_scores, wanted.largest_scores) < 1e-6);
  CHECK(error_of(run.shares, wanted.shares) < bound_of_shares(run, wanted.largest_scores));
  for (std::size_t i = 0; i < run.gradients.size(); ++i) CHECK(error_of(run.gradients[i], wanted.gradients[i]) < 4e-6);
}

void check(const attention_problem& p) {
  INFO(p);
  attention_run run(p);
  for (std::size_t i = 0; i < run.mask.size() && p.mask_bytes > 0; ++i) run.mask[i] = i % 7 < 3 ? 0 : 1;
  check_naive(run);
  const floats output = run.output;
  const auto gradients = run.gradients;
  for (const int threads : {2, 3}) {
    run.forward(threads);
    run.backward(threads);
    CHECK(same_bits(run.output, output));
    CHECK(same_bits(run.gradients, gradients));
  }
  run.forward(2, true);
  run.backward(2, true, 0.5f);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    floats sum = gradients[i];
    for (float& g : sum) g += 0.5f;
    CHECK(same_bits(run.gradients[i], sum));
  }
}

constexpr std::size_t lengths[] = {1, 3, 17, 65, 129, 257};

TEST_CASE("attention is naive attention at any length") {
  for (const std::size_t length : lengths)
    for (const bool causal : {false, true}) {
      check({.batch = 2,
             .heads = 3,
             .key_value_heads = 3,
             .width = 8,
             .queries = length,
             .keys = length,
             .causal = causal});
      check({.heads = 2, .key_value_heads = 1, .width = 40, .queries = length, .keys = length, .causal = causal});
    }
}
TEST_CASE("attention is naive attention at any width of heads", "[once]") {
  for (const std::size_t width : std::initializer_list<std::size_t>{1, 2, 7, 64, 80, 128, 160})
    for (const bool causal : {false, true})
      check({.batch = 2,
             .heads = 4,
             .key_value_heads = 2,
             .width = width,
             .queries = 143,
             .keys = 143,
             .causal = causal,
             .is_fused = width % 2 == 0});
}
TEST_CASE("attention of long sequences, few heads and several parts", "[once]") {
  check({.heads = 1, .key_value_heads = 1, .width = 5, .queries = 1100, .keys = 1100, .causal = true});
  check({.heads = 4, .key_value_heads = 1, .width = 16, .queries = 777, .keys = 777, .causal = true, .mask_bytes = 4});
  check({.batch = 3, .heads = 4, .key_value_heads = 4, .width = 3, .queries = 600, .keys = 600, .is_fused = false});
}
TEST_CASE("attention of queries to the keys of another sequence") {
  for (const std::size_t keys : std::initializer_list<std::size_t>{1, 5, 300, 513})
    check({.batch = 2,
           .heads = 5,
           .key_value_heads = 5,
           .width = 6,
           .queries = 70,
           .keys = keys,
           .is_fused = false,
           .mask_bytes = keys % 2 == 1 ? 1 : 0});
}
TEST_CASE("masked keys take no part, be they NaN") {
  for (const std::size_t length : std::initializer_list<std::size_t>{9, 300, 600})
    for (const bool causal : {false, true}) {
      const attention_problem p{.batch = 2,
                                .heads = 2,
                                .key_value_heads = 2,
                                .width = 8,
                                .queries = length,
                                .keys = length,
                                .causal = causal,
                                .is_fused = false,
                                .mask_bytes = 1};
      INFO(p);
      check(p);
      attention_run run(p);
      for (std::size_t s = 0; s < length; ++s) {
        run.mask[s] = s < length / 3 ? 5 : 0;           // padded at the end, as BERT's batches are
        run.mask[length + s] = s > length / 2 ? 1 : 0;  // and before the beginning
        for (std::size_t n = 0; n < 2; ++n)
          for (std::size_t c = 0; c < 8 && run.mask[n * length + s] == 0; ++c)
            run.inputs[1][run.key(n, s, 1, c).element] = run.inputs[2][run.value(n, s, 1, c).element] =
                std::numeric_limits<float>::quiet_NaN();
      }
      check_naive(run);
    }
}
TEST_CASE("a query that attends to nothing has an output and gradients of 0") {
  attention_run run(
      {.batch = 2, .heads = 2, .key_value_heads = 1, .width = 4, .queries = 300, .keys = 300, .mask_bytes = 4});
  std::fill(run.mask.begin(), run.mask.begin() + 300, 0);
  check_naive(run);
  const std::size_t of_output = 300 * 8, of_input = 300 * 16;
  CHECK(std::all_of(run.output.begin(), run.output.begin() + of_output, [](float x) { return x == 0; }));
  CHECK(std::all_of(run.gradients[0].begin(), run.gradients[0].begin() + of_input, [](float x) { return x == 0; }));
}
TEST_CASE("dropout of probabilities draws the same mask again") {
  for (const std::size_t length : std::initializer_list<std::size_t>{6, 130, 301})
    for (const bool causal : {false, true})
      check({.batch = 2,
             .heads = 2,
             .key_value_heads = 2,
             .width = 8,
             .queries = length,
             .keys = length,
             .causal = causal,
             .mask_bytes = causal ? 4 : 0,
             .dropout = 0.3f});
}
TEST_CASE("dropout is for training alone, and its share is that which was asked for") {
  const attention_problem p{.heads = 2, .key_value_heads = 2, .width = 8, .queries = 70, .keys = 70, .dropout = 0.25f};
  attention_run run(p);
  run.forward(1, false, false);
  attention_problem plain = p;
  plain.dropout = 0;
  attention_run without(plain);
  without.forward();
  CHECK(same_bits(run.output, without.output));
  std::size_t dropped = 0;
  for (std::size_t h = 0; h < 2; ++h)
    for (std::size_t i = 0; i < 4900; ++i) dropped += run.kept(0, h, i / 70, i % 70) == 0 ? 1 : 0;
  CHECK(static_cast<double>(dropped) / 9800 == Approx(0.25).margin(0.02));
}
TEST_CASE("the scale is an argument") {
  check({.heads = 2, .key_value_heads = 2, .width = 8, .queries = 30, .keys = 30, .scale = 1.5});
}
TEST_CASE("scores of infinity and NaN are what softmax makes of them, in their row alone") {
  constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  attention_run run({.heads = 1, .key_value_heads = 1, .width = 2, .queries = 400, .keys = 400, .causal = true});
  run.inputs[0][run.query(0, 390, 0, 1).element] = nan;
  run.inputs[0][run.query(0, 70, 0, 0).element] = infinity;
  run.forward();
  run.backward();
  for (std::size_t t = 0; t < 400; ++t) {
    INFO(t);
    CHECK(std::isnan(run.output[t * 2]) == (t == 390 || t == 70));
    if (t != 390 && t != 70) CHECK(std::isfinite(run.gradients[0][run.query(0, t, 0, 0).element]));
  }
}
TEST_CASE("large scores do not overflow, and small shares are 0") {
  attention_run run({.heads = 1, .key_value_heads = 1, .width = 8, .queries = 300, .keys = 300, .causal = true});
  for (float& x : run.inputs[0]) x *= 30;
  run.forward();
  run.backward();
  const auto wanted = run.naive();
  CHECK(error_of(run.output, wanted.output) < 1e-3);  // scores are up to 10,000, to 2^-24 of that
  CHECK(error_of(run.gradients[0], wanted.gradients[0]) < 1e-2);
}

/// Keys of 1 and -1, each as often as `twins` says, and queries that are a hundred times one of them: its score is 632,
/// and those of others are less by hundreds.
attention_run of_chosen_keys(attention_problem p, std::size_t twins) {
  p.heads = p.key_value_heads = 2;
  p.width = 40;
  p.keys = p.queries;
  p.is_fused = false;
  attention_run run(p);
  for (std::size_t h = 0; h < 2; ++h)
    for (std::size_t t = 0; t < p.keys; ++t)
      for (std::size_t c = 0; c < p.width; ++c) {
        const auto sign = [&](std::size_t key) {
          const auto drawn = remat::random_stream(5, 1).block((key / twins * 2 + h) * 40 + c);
          return drawn[0] % 2 == 0 ? 1.0f : -1.0f;
        };
        run.inputs[1][run.key(0, t, h, c).element] = sign(t);
        run.inputs[0][run.query(0, t, h, c).element] = 100.1f * sign(t / 4 * twins);
      }
  return run;
}

constexpr std::size_t lengths_of_chosen[] = {17, 128, 256, 300, 600};

/// What probabilities of the backward pass may differ by from those of the forward pass. With AVX-512 the scores of
/// both have the same bits; oneDNN's other gemm adds up the terms of Q K^T and of K Q^T in different orders.
double bound_between_passes(const attention_run& run, const std::vector<double>& largest_scores) {
  return remat::onednn::instructions() == remat::onednn::instruction_set::other ? bound_of_shares(run, largest_scores)
                                                                                : 0;
}

TEST_CASE("where one probability is 1, its value is the output, and scores have no gradients", "[once]") {
  for (const std::size_t length : lengths_of_chosen)
    for (const bool causal : {false, true})
      for (const float dropout : {0.0f, 0.3f}) {
        attention_run run = of_chosen_keys({.queries = length, .causal = causal, .dropout = dropout}, 1);
        INFO(run.problem());
        run.forward();
        run.backward();
        const auto wanted = run.naive();
        const double bound = 16 * half_unit, between = bound_between_passes(run, wanted.largest_scores);
        CHECK(error_of(run.output, wanted.output) < bound);
        CHECK(error_of(run.gradients[2], wanted.gradients[2]) < bound + between);
        const double of_score = 40 * 4 / 0.7 * run.scale();  // sums of 40 products of up to 4
        // The keys of one tile: as softmax has it.
        const double of_queries = ((length <= 256 ? 0 : 48 * half_unit) + between) * of_score;
        CHECK(std::ranges::all_of(run.gradients[0], [&](double g) { return std::abs(g) <= of_queries; }));
        if (length <= 256)
          CHECK(std::ranges::all_of(run.gradients[1], [&](double g) {
            return std::abs(g) <= static_cast<double>(length) * 100.1 * between * of_score;
          }));
      }
}
TEST_CASE("probabilities are as exact for scores of hundreds as for small ones", "[once]") {
  for (const std::size_t length : lengths_of_chosen)
    for (const bool causal : {false, true}) {
      attention_run run = of_chosen_keys({.queries = length, .causal = causal}, 2);
      for (std::size_t i = 0; i < run.inputs[0].size(); ++i) run.inputs[0][i] *= 1 + static_cast<float>(i / 80) / 999;
      INFO(run.problem());
      run.forward();
      run.backward();
      const auto wanted = run.naive();
      CHECK(error_of(run.output, wanted.output) < 16 * half_unit);
      const double between = bound_between_passes(run, wanted.largest_scores);
      CHECK(error_of(run.gradients[1], wanted.gradients[1]) < 48 * half_unit + 2 * between);
      CHECK(error_of(run.gradients[2], wanted.gradients[2]) < 16 * half_unit + between);
    }
}

TEST_CASE("more dropout than a stream of random numbers holds is refused") {
  const nn::detail::attention_attributes attributes{16, 16, false, 0.1f, 1 / 0.9f, 0};
  const remat::tensor_shape in{remat::element::float32, true, 2, {32768, 48}},
      out{remat::element::float32, true, 2, {32768, 16}};
  remat::preparation p;
  p.module_attributes = &attributes;
  p.inputs = {&in, 1};
  p.outputs = {&out, 1};
  p.training = true;
  p.batch = 2;
  CHECK_THROWS_WITH(nn::detail::attention_kernels::prepare(p),
                    Catch::Contains("dropout of 1048576 rows of 32768 probabilities takes more than"));
  p.batch = 1;
  CHECK_NOTHROW(nn::detail::attention_kernels::prepare(p));  // 2^32 blocks
}

TEST_CASE("a mask is an input of a model, of bytes as of integers") {
  floats x(2 * 6 * 24), y(2 * 6 * 8);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = number(i, 1);
  std::vector<std::int32_t> mask{1, 1, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1};
  const std::vector<std::uint8_t> bytes(mask.begin(), mask.end());
  const auto loss = [&]<class M>(const std::vector<M>& of) {
    remat::model<nn::attention<2>, remat::tensors<tensor<float, 6, 24>, tensor<M, 6>>, nn::mse_loss> model{{.seed = 1}};
    return model.train_step(x, of, y);
  };
  const float masked = loss(mask);
  CHECK(masked == loss(bytes));
  mask[5] = 1;
  CHECK(masked != loss(mask));
}

using fused = nn::attention<4, nn::attention_options{.causal = true, .key_value_heads = 2, .dropout = 0.2}>;

TEST_CASE("gradients of attention are those of finite differences") {
  CHECK(remat::check_gradients<fused, tensor<float, 5, 24>>().holds());
  using separate = nn::attention<2>;
  CHECK(remat::check_gradients<separate, tensor<float, 4, 6>, tensor<float, 7, 6>, tensor<float, 7, 6>,
                               tensor<std::int32_t, 7>>()
            .holds());
  using of_itself = remat::parallel<separate, remat::identity, remat::identity, remat::identity>;
  CHECK(remat::check_gradients<of_itself, tensor<float, 4, 6>>().holds());
}

}  // namespace attention_tests
