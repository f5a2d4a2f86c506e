// SPDX-License-Identifier: MIT
// Planned, reserved and used bytes are equal, and no kernel reads what nobody wrote.
#include "run/random_batch.hpp"

#include <networks/networks.hpp>
#include <networks/policies.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace audit_tests {

using networks::network;

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

/// Reads what is after its output's gradient.
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

void audit_all(int threads) {
  for (const network& n : networks::all())
    for (const char* name : {"none", "all as one", "each", "blocks in groups in all"}) {
      INFO(n.name << ", " << name << ", " << threads << " threads");
      const remat::program p = n.lower();
      remat::network model =
          make(n, p, {.seed = 5, .threads = threads, .checkpoints = networks::policy_named(name).checkpoints(n, p)});
      const networks::batch data = random_batch(n, p, n.microbatch, 1);
      const remat::audit_report r =
          networks::with(data, [&](const auto&... tensors) { return remat::audit(model, tensors...); });
      CHECK(r.planned_bytes == r.reserved_bytes);
      CHECK(r.planned_bytes == r.used_bytes);
      CHECK(r.uses_what_is_planned);
      CHECK(r.guards_intact);
      CHECK(r.survives_scribbling);
      CHECK(r.leaves_the_dead_alone);
      CHECK(model.reserved().total() == 0);  // an audit has memory of its own, and a plan needs none
      const remat::plan_report plan = model.plan(n.microbatch);
      CHECK(model.reserved().total() == 0);
      train_step(model, data);
      CHECK(model.reserved().activations == r.planned_bytes);
      const remat::plan_report known = model.plan();
      CHECK(model.reserved().packed == known.packed_bytes);
      CHECK(model.reserved().scratch == known.scratch_bytes);
      CHECK((r.forward == plan.forward && r.recompute == plan.recompute && r.backward == plan.backward));
    }
}

TEST_CASE("every network uses exactly what is planned, on 1 thread", "[long]") { audit_all(1); }
TEST_CASE("every network uses exactly what is planned, on 2 threads", "[serial][once]") { audit_all(2); }

TEST_CASE("no arena is more than 2 % larger than what is alive at once") {
  for (const network& n : networks::all())
    for (const networks::policy& policy : networks::policies())
      for (const std::size_t batch : {n.microbatch, 4 * n.microbatch}) {
        INFO(n.name << ", " << policy.name << ", batch " << batch);
        remat::program p = n.lower();
        remat::annotate(p, policy.checkpoints(n, p));
        remat::freeze(p, n.frozen);
        const remat::plan made = remat::plan_training(remat::fuse(std::move(p)), batch);
        CHECK(static_cast<double>(made.activation_bytes) <= 1.02 * static_cast<double>(made.live_bytes));
      }
}

TEST_CASE("after an audit gradients are those of a step, and all else is as it was") {
  for (const char* name : {"tied", "stateful"}) {
    INFO(name);
    const network& n = networks::named(name);
    const remat::program p = n.lower();
    remat::network audited = make(n, p, {.seed = 5}), trained = make(n, p, {.seed = 5});
    const networks::batch data = random_batch(n, p, n.microbatch, 1);
    networks::with(data, [&](const auto&... tensors) { return remat::audit(audited, tensors...); });
    for (std::size_t i = 0; i < audited.states().size(); ++i)
      CHECK(std::ranges::equal(audited.states()[i].values, trained.states()[i].values));
    for (std::size_t i = 0; i < audited.parameters().size(); ++i)
      CHECK(std::ranges::equal(audited.parameters()[i].values, trained.parameters()[i].values));
    CHECK(audited.steps() == 0);
    train_step(trained, data);
    for (std::size_t i = 0; i < audited.parameters().size(); ++i)
      CHECK(std::ranges::equal(audited.parameters()[i].gradient, trained.parameters()[i].gradient));
  }
}

TEST_CASE("an audit needs a loss") {
  remat::model<remat::nn::linear<16, 16>, remat::tensor<float, 16>> model;
  const std::vector<float> x(16);
  CHECK_THROWS_WITH(remat::audit(model, x), Catch::Matchers::Contains("this model has no loss"));
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

}  // namespace audit_tests
