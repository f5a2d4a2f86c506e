// SPDX-License-Identifier: MIT
// Loss, every gradient and every parameter after 20 steps are the same bits under every policy and strategy.
#include "networks.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <vector>

namespace {

using networks::setting;
using remat::action_kind, remat::checkpoint_at, remat::network;
namespace strategy = remat::strategy;

struct trace {
  std::vector<float> losses;
  std::vector<std::byte> gradients, parameters;

  bool operator==(const trace& other) const {
    return losses.size() == other.losses.size() &&
           std::memcmp(losses.data(), other.losses.data(), losses.size() * sizeof(float)) == 0 &&
           gradients == other.gradients && parameters == other.parameters;
  }
};

/// 20 steps of momentum SGD; checks on the way that exactly the planned kernels ran.
template <class Model>
trace train(Model& model, std::size_t batch, std::size_t inputs, std::size_t targets, int classes, bool recomputes) {
  trace t;
  remat::sgd optimizer{{.learning_rate = 0.02f, .momentum = 0.9f}};
  for (std::uint64_t step = 0; step < 20; ++step) {
    const auto data = networks::random_batch(batch, inputs, targets, classes, step);
    t.losses.push_back(model.train_step(data.inputs, data.targets));
    optimizer.step(model);
  }
  const remat::executor& e = model.training(batch);
  for (auto kind :
       {action_kind::forward, action_kind::recompute, action_kind::backward_input, action_kind::backward_parameters})
    CHECK(e.executed(kind) == remat::count(e.planned(), kind));
  CHECK((e.executed(action_kind::recompute) > 0) == recomputes);
  const auto gradients = model.store().gradient_block(), values = model.store().value_block();
  t.gradients.assign(gradients.begin(), gradients.end());
  t.parameters.assign(values.begin(), values.end());
  for (const auto& p : model.parameters()) {
    INFO(p.name);
    double norm = 0;
    for (float g : p.gradient) norm += static_cast<double>(g) * static_cast<double>(g);
    CHECK(norm > 0);
  }
  return t;
}

template <class Net, class Input>
void compare(const std::vector<setting>& settings, int threads, std::size_t batch, std::size_t inputs,
             std::size_t targets, int classes) {
  using model = remat::model<Net, Input, remat::nn::nll_loss>;
  model plain{{.seed = 3, .threads = threads, .checkpoints = {{}}}};
  const trace expected = train(plain, batch, inputs, targets, classes, false);
  for (const setting& each : settings) {
    INFO(each.name);
    model checked{{.seed = 3, .threads = threads, .checkpoints = each.checkpoints}};
    CHECK(train(checked, batch, inputs, targets, classes, each.recomputes) == expected);
  }
}

struct recompute_convolutions {
  static constexpr remat::decision decide(const remat::operation_view& o) {
    return o.kind == "conv2d" ? remat::decision::recompute : remat::decision::keep;
  }
};

void compare_image_classifier(int threads) {
  compare<networks::image_classifier, remat::tensor<float, 1, 28, 28>>(
      {{"fc1", {checkpoint_at("fc1")}, false},
       {"each", {checkpoint_at("", strategy::each{})}, false},
       {"all", {checkpoint_at("")}, true},
       {"groups of 3", {checkpoint_at("", strategy::group<3>{})}, true},
       {"all, fc1 inside", {checkpoint_at(""), checkpoint_at("fc1")}, true},
       {"all, save_all", {checkpoint_at("", strategy::contiguous{}, remat::save_all{})}, false},
       {"all, convolutions again", {checkpoint_at("", strategy::contiguous{}, recompute_convolutions{})}, true}},
      threads, 9, 784, 1, 10);
}

void compare_pixel_classifier(int threads) {
  compare<networks::pixel_classifier, remat::tensor<float, 1, 28, 28>>(
      {{"seq", {checkpoint_at("seq")}, true},
       {"seq, each", {checkpoint_at("seq", strategy::each{})}, false},
       {"all", {checkpoint_at("")}, true},
       {"seq within all", {checkpoint_at(""), checkpoint_at("seq")}, true}},
      threads, 3, 784, 400, 64);
}

void compare_nested(int threads) {
  compare<networks::nested, remat::tensor<float, 3, 16, 16>>(
      {{"middle", {checkpoint_at("middle")}, true},
       {"middle, each", {checkpoint_at("middle", strategy::each{})}, true},
       {"three deep", {checkpoint_at(""), checkpoint_at("middle"), checkpoint_at("middle.b")}, true},
       {"four deep",
        {checkpoint_at(""), checkpoint_at("middle", strategy::each{}), checkpoint_at("middle.b", strategy::each{}),
         checkpoint_at("middle.a")},
        true},
       {"blocks", {checkpoint_at("middle.a"), checkpoint_at("middle.b.0"), checkpoint_at("middle.b.2")}, true}},
      threads, 5, 3 * 16 * 16, 1, 7);
}

}  // namespace

TEST_CASE("policies agree bit for bit on the image classifier, 1 thread") { compare_image_classifier(1); }
TEST_CASE("policies agree bit for bit on the image classifier, 2 threads", "[serial]") { compare_image_classifier(2); }
TEST_CASE("policies agree bit for bit on the pixel classifier, 1 thread") { compare_pixel_classifier(1); }
TEST_CASE("policies agree bit for bit on the pixel classifier, 2 threads", "[serial]") { compare_pixel_classifier(2); }
TEST_CASE("policies agree bit for bit on nested blocks, 1 thread") { compare_nested(1); }
TEST_CASE("policies agree bit for bit on nested blocks, 2 threads", "[serial]") { compare_nested(2); }

TEST_CASE("a tag and its value are the same plan and the same bits") {
  using tagged =
      remat::model<remat::checkpoint<networks::image_classifier>, remat::tensor<float, 1, 28, 28>, remat::nn::nll_loss>;
  using valued = remat::model<networks::image_classifier, remat::tensor<float, 1, 28, 28>, remat::nn::nll_loss>;
  tagged by_tag{{.seed = 3, .threads = 1}};
  valued by_value{{.seed = 3, .threads = 1, .checkpoints = {{checkpoint_at(""), checkpoint_at("fc1")}}}};
  CHECK(train(by_tag, 9, 784, 1, 10, true) == train(by_value, 9, 784, 1, 10, true));
  CHECK(by_tag.plan().activation_bytes == by_value.plan().activation_bytes);
  CHECK(tagged::peak_activation_bytes(9) == by_value.plan().activation_bytes);
}
