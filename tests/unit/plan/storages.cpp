// SPDX-License-Identifier: MIT
// Storages: what a plan keeps of each tensor, and what comes back.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace storages_tests {

namespace nn = remat::nn;
using Catch::Contains;
using remat::bfloat16, remat::checkpoint_at, remat::storage_setting;

using block = remat::sequential<nn::linear<64, 64>, nn::gelu>;
using net = remat::sequential<remat::named<"a", block>, remat::named<"b", block>, nn::linear<64, 8>>;
using input = remat::tensor<float, 64>;
using half = remat::stored_as<bfloat16>;

constexpr std::size_t batch = 128;

TEST_CASE("a number is rounded to the nearest bfloat16, to even between two, and comes back") {
  const auto bits = [](float x) { return bfloat16(x).bits; };
  CHECK(bits(1.0f) == 0x3f80);
  CHECK(bits(-0.0f) == 0x8000);
  CHECK(bits(0x1.01p0f) == 0x3f80);  // between 1 and 1 + 2^-7: to even
  CHECK(bits(0x1.03p0f) == 0x3f82);
  CHECK(bits(0x1.0101p0f) == 0x3f81);
  CHECK(bits(3.4e38f) == 0x7f80);  // beyond the largest
  CHECK(bits(std::numeric_limits<float>::infinity()) == 0x7f80);
  CHECK(std::isnan(static_cast<float>(bfloat16(std::numeric_limits<float>::quiet_NaN()))));
  CHECK(std::isnan(
      static_cast<float>(bfloat16(std::bit_cast<float>(0x7f800001u)))));  // its fraction is in the lower half
  std::mt19937 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isfinite(x)) continue;
    const float y = static_cast<float>(bfloat16(x));
    if (std::isfinite(y)) CHECK(std::abs(y - x) <= std::max(std::abs(x) * 0x1p-8f, 0x1p-134f));
    CHECK(bfloat16(y).bits == bfloat16(x).bits);
  }
}

/// What a step keeps, under one checkpoint of the whole model.
template <class Policy>
std::size_t kept(Policy policy, storage_setting storage) {
  remat::program p = fuse(remat::lower<net, input, nn::cross_entropy>());
  annotate(p, {checkpoint_at("", policy, storage)});
  return kept_bytes(plan_training(p, batch));
}

TEST_CASE("what waits in two bytes a number takes half of its memory") {
  const std::size_t all = kept(remat::save_all{}, {}), halved = kept(remat::save_all{}, half{});
  // The logits are the model's output, targets are integers, and what the loss saves is outside: all of it stays as it
  // is.
  const std::size_t logits = batch * 8 * sizeof(float), targets = batch * sizeof(std::int32_t),
                    saved = 2 * batch * sizeof(float), stays = logits + targets + saved;
  CHECK(halved - stays == (all - stays) / 2);
}

TEST_CASE("a storage in the type is that of a value, and its peak is known to the compiler") {
  using stored = remat::checkpoint<net, remat::save_all, half>;
  remat::program p = fuse(remat::lower<net, input, nn::cross_entropy>());
  annotate(p, {checkpoint_at("", remat::save_all{}, half{})});
  constexpr std::size_t peak = remat::peak_activation_bytes<stored, input, nn::cross_entropy>(batch);
  static_assert(peak < remat::peak_activation_bytes<net, input, nn::cross_entropy>(batch));
  CHECK(plan_training(p, batch).activation_bytes == peak);

  remat::model<stored, input, nn::cross_entropy> model;
  const std::vector<float> x(batch * 64, 0.5f);
  const std::vector<std::int32_t> y(batch, 3);
  model.train_step(x, y);
  CHECK(model.reserved().activations == peak);
  CHECK(audit(model, x, y).holds());
  std::ostringstream report;
  report << model.plan(batch);
  CHECK_THAT(report.str(), Contains("a.0 linear, stored_as<bfloat16>"));
}

TEST_CASE("what a layer saves in addition to its output is not rounded") {
  using normed = remat::sequential<nn::layer_norm<64>, nn::linear<64, 64>>;
  remat::program p = fuse(remat::lower<normed, input>());
  annotate(p, {checkpoint_at("", remat::save_all{}, half{})});
  const remat::plan made = plan_training(p, batch);
  std::size_t rounded = 0;
  for (const remat::buffer& b : made.steps.buffers)
    if (b.form != nullptr) {
      ++rounded;
      for (const remat::operation& o : p.operations)
        for (const int saved : o.saved) CHECK(b.tensor != saved);
    }
  CHECK(rounded == 2);  // the input, and what the linear layer reads
}

/// Of a step from the same weights: the gradient of the first layer.
std::vector<float> first_gradient(std::vector<checkpoint_at> checkpoints) {
  remat::model<net, input, nn::cross_entropy> model{{.seed = 3, .checkpoints = std::move(checkpoints)}};
  std::vector<float> x(batch * 64);
  std::vector<std::int32_t> y(batch);
  std::mt19937 random(5);
  for (float& each : x) each = std::normal_distribution<float>()(random);
  for (std::int32_t& each : y) each = static_cast<std::int32_t>(random() % 8);
  model.train_step(x, y);
  const auto values = model.parameter("a.0.weight").gradient.values();
  return {values.begin(), values.end()};
}

TEST_CASE(
    "rounding what waits changes gradients by what rounding changes, and nothing but the reader's checkpoint asks for "
    "it") {
  const std::vector<float> exact = first_gradient({});
  const auto distance = [&](const std::vector<float>& found) {
    double off = 0, norm = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      off += std::pow(static_cast<double>(found[i]) - static_cast<double>(exact[i]), 2);
      norm += std::pow(static_cast<double>(exact[i]), 2);
    }
    return std::sqrt(off / norm);
  };
  const double all = distance(first_gradient({checkpoint_at("", remat::save_all{}, half{})}));
  CHECK(all > 0x1p-14);
  CHECK(all < 0x1p-6);
  CHECK(distance(first_gradient({checkpoint_at("b", remat::save_all{}, half{})})) < all);
  CHECK(first_gradient({checkpoint_at("", remat::save_all{}, remat::keep{})}) == exact);
}

}  // namespace storages_tests
