// SPDX-License-Identifier: MIT
// Planned, reserved and used bytes are equal, and no kernel reads what nobody wrote.
#include "networks.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace {

using networks::setting;
using remat::checkpoint_at;
namespace strategy = remat::strategy;

/// Writes one element beyond its output: into another buffer, or a guard.
struct careless : remat::module {
  static constexpr std::string_view kind = "careless";
  template <class X>
  static X output(X);
  static void forward(const remat::forward_pass& pass) {
    for (std::size_t i = 0; i < pass.output().size(); ++i) pass.output().data()[i] = pass.input()[i];
    pass.output().data()[pass.output().size()] = 1;
  }
  static void backward_input(const remat::backward_pass& pass) {
    pass.input_gradient().assign([dy = pass.output_gradient()](std::size_t i) { return dy[i]; });
  }
};

/// Reads what lies behind its output's gradient.
struct curious : remat::module {
  static constexpr std::string_view kind = "curious";
  template <class X>
  static X output(X);
  static void forward(const remat::forward_pass& pass) {
    for (std::size_t i = 0; i < pass.output().size(); ++i) pass.output()[i] = 2 * pass.input()[i];
  }
  static void backward_input(const remat::backward_pass& pass) {
    const float* const beyond = pass.output_gradient().data() + pass.output_gradient().size();
    pass.input_gradient().assign([=](std::size_t i) { return beyond[i]; });
  }
};

/// Reads its input in backward without saying so.
struct secretive : remat::module {
  static constexpr std::string_view kind = "secretive";
  template <class X>
  static X output(X);
  static void forward(const remat::forward_pass& pass) {
    for (std::size_t i = 0; i < pass.output().size(); ++i) pass.output()[i] = 2 * pass.input()[i];
  }
  static void backward_input(const remat::backward_pass& pass) {
    pass.input_gradient().assign([x = pass.input()](std::size_t i) { return x[i]; });
  }
};

template <class M>
using around =
    remat::model<remat::sequential<remat::nn::linear<16, 16>, M, remat::nn::linear<16, 16>, remat::nn::log_softmax>,
                 remat::tensor<float, 16>, remat::nn::nll_loss>;

template <class Net, class Input>
void audit_all(const std::vector<setting>& settings, const std::vector<std::size_t>& batches, std::size_t inputs,
               std::size_t targets, int classes) {
  for (const setting& each : settings)
    for (std::size_t batch : batches)
      for (int threads : {1, 2}) {
        INFO(each.name << ", batch " << batch << ", " << threads << " threads");
        remat::model<Net, Input, remat::nn::nll_loss> model{
            {.seed = 5, .threads = threads, .checkpoints = each.checkpoints}};
        const auto data = networks::random_batch(batch, inputs, targets, classes, 1);
        const remat::audit_report r = remat::audit(model, data.inputs, data.targets);
        CHECK(r.planned_bytes == r.reserved_bytes);
        CHECK(r.planned_bytes == r.used_bytes);
        CHECK(r.uses_what_is_planned);
        CHECK(r.guards_intact);
        CHECK(r.survives_scribbling);
        CHECK(r.leaves_the_dead_alone);
        CHECK(model.reserved().total() == 0);  // an audit has memory of its own, and a plan needs none
        const remat::plan_report plan = model.plan(batch);
        CHECK(model.reserved().total() == 0);
        model.train_step(data.inputs, data.targets);
        CHECK(model.reserved().activations == r.planned_bytes);
        const remat::plan_report known = model.plan();
        CHECK(model.reserved().packed == known.packed_bytes);
        CHECK(model.reserved().scratch == known.scratch_bytes);
        CHECK((r.forward == plan.forward && r.recompute == plan.recompute && r.backward == plan.backward));
        CHECK(static_cast<double>(plan.activation_bytes) <= 1.02 * static_cast<double>(plan.live_bytes));
      }
}

}  // namespace

TEST_CASE("the image classifier uses exactly what is planned", "[serial]") {
  audit_all<networks::image_classifier, remat::tensor<float, 1, 28, 28>>(
      {{"none", {}, false}, {"each", {checkpoint_at("", strategy::each{})}, false}, {"all", {checkpoint_at("")}, true}},
      {1, 7}, 784, 1, 10);
}

TEST_CASE("the pixel classifier uses exactly what is planned", "[serial]") {
  audit_all<networks::pixel_classifier, remat::tensor<float, 1, 28, 28>>(
      {{"none", {}, false}, {"seq", {checkpoint_at("seq")}, true}}, {1, 3}, 784, 400, 64);
}

TEST_CASE("nested blocks use exactly what is planned", "[serial]") {
  audit_all<networks::nested, remat::tensor<float, 3, 16, 16>>(
      {{"none", {}, false},
       {"middle, each", {checkpoint_at("middle", strategy::each{})}, true},
       {"three deep", {checkpoint_at(""), checkpoint_at("middle"), checkpoint_at("middle.b")}, true}},
      {1, 5}, 3 * 16 * 16, 1, 7);
}

TEST_CASE("an audit notices a kernel that writes elsewhere") {
  around<careless> model;
  const auto data = networks::random_batch(1, 16, 1, 16, 1);
  CHECK_FALSE(remat::audit(model, data.inputs, data.targets).leaves_the_dead_alone);
}

TEST_CASE("an audit notices a kernel that reads elsewhere") {
  around<curious> model;
  const auto data = networks::random_batch(1, 16, 1, 16, 1);
  CHECK_FALSE(remat::audit(model, data.inputs, data.targets).survives_scribbling);
}

TEST_CASE("a backward pass that reads what it does not say it reads is told what to write") {
  around<secretive> model;
  const auto data = networks::random_batch(1, 16, 1, 16, 1);
  CHECK_THROWS_WITH(model.train_step(data.inputs, data.targets),
                    Catch::Matchers::Contains("secretive: backward reads input 0"));
}
