// SPDX-License-Identifier: MIT
// A step that is given the optimizer: the bits of the step and the optimizer's apart, in less memory.
#include "same_bits.hpp"

#include <networks/networks.hpp>
#include <networks/policies.hpp>

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace updates_of_step_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using networks::network;

std::vector<std::byte> copy_of(std::span<const std::byte> from) { return {from.begin(), from.end()}; }

/// What a step may change, optimizer aside.
struct outcome {
  std::vector<float> losses;
  std::vector<std::byte> parameters, states;

  bool operator==(const outcome& other) const {
    return same_bits(losses, other.losses) && parameters == other.parameters && states == other.states;
  }
};

template <class Step>
outcome train(const network& n, remat::network& model, std::size_t samples, int steps, const Step& step) {
  outcome made;
  for (int i = 0; i < steps; ++i) {
    const auto data = random_batch(n, model.lowered(), samples, static_cast<std::uint64_t>(i));
    made.losses.push_back(networks::with(data, [&](const auto&... tensors) { return step(i, tensors...); }));
  }
  made.parameters = copy_of(remat::internals::store(model).value_block());
  made.states = copy_of(remat::internals::store(model).state_block());
  return made;
}

/// Two steps in one and two apart, which show what the optimizer remembers, against four apart.
template <class Optimizer>
void check_alike(const network& n, const remat::model_options& options, std::size_t samples, Optimizer apart) {
  Optimizer within = apart;
  remat::network one = make(n, options), other = make(n, options);
  const auto rate = [](int i) { return 1 - 0.2 * i; };
  const outcome expected = train(n, one, samples, 4, [&](int i, const auto&... tensors) {
    const float loss = one.train_step(tensors...);
    apart.step(one, rate(i));
    return loss;
  });
  const outcome found = train(n, other, samples, 4, [&](int i, const auto&... tensors) {
    if (i % 2 == 0) return other.train_step(tensors..., within, rate(i));
    const float loss = other.train_step(tensors...);
    within.step(other, rate(i));
    return loss;
  });
  CHECK(found == expected);
  CHECK(within.steps() == apart.steps());
  CHECK(other.steps() == one.steps());
  CHECK(within.bytes() == apart.bytes());
}

remat::adamw adam_in_groups() {
  remat::adamw optimizer{{.learning_rate = 0.01f, .weight_decay = 0.1f}};
  optimizer.group(remat::is_bias_or_norm, {.learning_rate = 0.02f, .weight_decay = 0});
  return optimizer;
}

TEST_CASE("a step with an optimizer gives the bits of both apart, on every network, in 1 and 3 micro-batches") {
  for (const network& n : networks::all())
    for (const std::size_t parts : {1u, 3u}) {
      INFO(n.name << ", " << parts << " micro-batches");
      const std::size_t samples = n.microbatch * parts + (parts > 1 ? 1 : 0);  // some are larger
      const remat::model_options options{
          .seed = 3, .threads = 1, .checkpoints = remat::checkpoints::none(), .microbatches = parts};
      check_alike(n, options, samples, remat::sgd{{.learning_rate = 0.02f, .momentum = 0.9f, .weight_decay = 0.01f}});
      if (std::ranges::any_of(make(n, options).parameters(), remat::is_bias_or_norm))
        check_alike(n, options, samples, adam_in_groups());
    }
}

TEST_CASE("under every policy, too, on 1 and 2 threads", "[serial]") {
  for (const char* name : {"tied", "resnet", "nested", "stateful", "unet", "partly_frozen"})
    for (const int threads : {1, 2}) {
      const network& n = networks::named(name);
      remat::network one = make(n, {.seed = 3, .threads = threads, .checkpoints = remat::checkpoints::none()});
      remat::sgd apart{{.learning_rate = 0.02f, .momentum = 0.9f}};
      const outcome expected = train(n, one, n.microbatch, 2, [&](int, const auto&... tensors) {
        const float loss = one.train_step(tensors...);
        apart.step(one);
        return loss;
      });
      for (const networks::policy& policy : networks::policies()) {
        INFO(name << ", " << policy.name << ", " << threads << " threads");
        remat::network other =
            make(n, {.seed = 3, .threads = threads, .checkpoints = policy.checkpoints(n, n.lower())});
        remat::sgd within{{.learning_rate = 0.02f, .momentum = 0.9f}};
        const outcome found = train(n, other, n.microbatch, 2,
                                    [&](int, const auto&... tensors) { return other.train_step(tensors..., within); });
        CHECK(found == expected);
        if (remat::may_fail(other.lowered())) continue;  // it updates after the step
        const remat::plan& made =
            remat::internals::training(other, n.microbatch, false, remat::updating::from_arena).planned();
        CHECK(count(made, remat::action_kind::update) > 0);
        CHECK(remat::internals::training(other, n.microbatch, false, remat::updating::from_arena)
                  .executed(remat::action_kind::update) == count(made, remat::action_kind::update));
      }
    }
}

TEST_CASE("the gradient of a shared parameter is that of one step, also where its first place leads to no loss") {
  using linear = remat::shared<"w", remat::nn::linear<4, 4>>;
  using net = remat::sequential<remat::parallel<remat::pick<1>, linear, linear>>;
  using model = remat::model<net, remat::tensor<float, 4>, remat::nn::mse_loss>;
  const std::vector<float> x{1, 2, 3, 4, -1, 0.5f, 0.25f, 2}, y(8, 0.5f);
  for (const std::size_t parts : {1u, 2u}) {
    INFO(parts << " micro-batches");
    model apart{{.seed = 1, .threads = 1, .microbatches = parts}},
        within{{.seed = 1, .threads = 1, .microbatches = parts}};
    apart.train_step(x, y);
    const std::vector<float> first(apart.parameters()[0].gradient.begin(), apart.parameters()[0].gradient.end());
    apart.train_step(x, y);
    CHECK(std::ranges::equal(apart.parameters()[0].gradient, first));
    CHECK(std::ranges::any_of(first, [](float g) { return g != 0; }));
    remat::sgd one{{.learning_rate = 0.1f}}, other{{.learning_rate = 0.1f}};
    for (int step = 0; step < 3; ++step) {
      apart.train_step(x, y);
      one.step(apart);
      within.train_step(x, y, other);
      CHECK(std::ranges::equal(apart.parameters()[0].values, within.parameters()[0].values));
    }
    CHECK((within.memory().gradients == 0) == (parts == 1));
  }
}

TEST_CASE("what an optimizer refuses is refused before a step, whatever is around it") {
  using net = remat::sequential<remat::nn::conv2d<1, 4, 3>, remat::nn::batch_norm2d<4>, remat::nn::flatten,
                                remat::nn::linear<16, 3>>;
  remat::model<net, remat::image<float, 1, 4, 4>, remat::nn::cross_entropy> m{{.seed = 1}};
  const std::vector<float> x(32, 0.5f);
  const std::vector<std::int32_t> y{0, 1};
  remat::sgd plain, grouped;
  grouped.group("liner.*", {.learning_rate = 0.5f});
  remat::clipped clipped(plain, 1), misspelt(grouped, 1);
  const std::vector<float> before(m.states()[0].values.begin(), m.states()[0].values.end());
  remat::model<net, remat::image<float, 1, 4, 4>, remat::nn::cross_entropy> may_fail{
      {.seed = 1, .checkpoints = {remat::checkpoint_at("", remat::verified{remat::recompute_all{}})}}};
  CHECK_THROWS_WITH(may_fail.train_step(x, y, plain, -1), Catch::Contains("the factor on the learning rate is -1"));
  CHECK(may_fail.steps() == 0);
  for (remat::parameter_updater* each :
       {static_cast<remat::parameter_updater*>(&plain), static_cast<remat::parameter_updater*>(&clipped)})
    CHECK_THROWS_WITH(m.train_step(x, y, *each, -1), Catch::Contains("the factor on the learning rate is -1"));
  CHECK_THROWS_WITH(m.train_step(x, y, misspelt), Catch::Contains("liner"));
  CHECK(m.steps() == 0);
  CHECK(std::ranges::equal(m.states()[0].values, before));
}

TEST_CASE("with one micro-batch there is no block of gradients, and what they take is what is planned") {
  std::size_t most = 0;
  for (const network& n : networks::all()) {
    INFO(n.name);
    remat::network model = make(n, {.seed = 3, .threads = 1});
    remat::sgd optimizer{{.learning_rate = 0.02f}};
    CHECK(model.memory().gradients == 0);
    train(n, model, n.microbatch, 2,
          [&](int, const auto&... tensors) { return model.train_step(tensors..., optimizer); });
    const remat::memory_report used = model.memory();
    const remat::plan_report plan = model.plan(n.microbatch);
    CHECK(used.gradients == 0);
    CHECK(used.gradients_needed_for.empty());
    CHECK(used.transient_gradients == plan.transient_gradient_bytes);
    CHECK(used.activations == plan.activation_bytes);  // as without updates
    CHECK(plan.transient_gradient_bytes <= plan.gradient_bytes);
    most = std::max(most, used.transient_gradients);
  }
  CHECK(most > 0);
}

TEST_CASE("a step with an optimizer uses exactly the memory that is planned", "[once]") {
  for (const network& n : networks::all())
    for (const char* name : {"none", "blocks in groups in all"}) {
      INFO(n.name << ", " << name);
      const remat::program p = n.lower();
      remat::network model =
          make(n, p, {.seed = 5, .threads = 1, .checkpoints = networks::policy_named(name).checkpoints(n, p)});
      remat::adamw optimizer;
      const auto data = random_batch(n, p, n.microbatch, 1);
      const auto values = copy_of(remat::internals::store(model).value_block());
      const remat::audit_report r =
          networks::with(data, [&](const auto&... tensors) { return remat::audit(model, tensors..., optimizer); });
      CHECK(r.uses_what_is_planned);
      CHECK(r.guards_intact);
      CHECK(r.survives_scribbling);
      CHECK(r.leaves_the_dead_alone);
      CHECK(r.holds());
      CHECK(copy_of(remat::internals::store(model).value_block()) == values);
      CHECK(optimizer.steps() == 0);
      CHECK(model.memory().gradients == 0);
      CHECK(optimizer.bytes() == 0);
    }
}

using net = remat::sequential<nn::linear<6, 40>, nn::tanh, nn::linear<40, 30>, nn::tanh, nn::linear<30, 4>>;
using model = remat::model<net, remat::tensor<float, 6>, nn::cross_entropy>;
const std::vector<float> inputs(12, 0.5f);
const std::vector<int> classes{1, 3};

// Of activations, those that live while the middle layer's gradients do: the input, what the layer reads, and the
// gradients of its output and input.
static_assert(model::peak_activation_bytes(2) + model::peak_gradient_bytes(2) ==
              64 + 320 + 256 + 320 + (30 * 40 + 32) * sizeof(float));

TEST_CASE("the gradients of the largest layer are alive at once, no more") {
  model m;
  remat::sgd optimizer;
  m.train_step(inputs, classes, optimizer);
  CHECK(m.memory().transient_gradients == model::peak_gradient_bytes(2));
  CHECK(m.memory().activations == model::peak_activation_bytes(2));
}

TEST_CASE("after a step that was given the optimizer there are no gradients to read") {
  model m;
  remat::sgd optimizer;
  m.train_step(inputs, classes, optimizer);
  const auto refused = Contains("has updated the parameters itself and has left no gradients");
  CHECK_THROWS_WITH(optimizer.step(m), refused);
  CHECK_THROWS_WITH(remat::clip_gradients(m, 1), refused);
  CHECK_THROWS_WITH(m.require_gradients(), refused);
  CHECK_THROWS_WITH(m.parameters()[0].gradient[0], refused);
  CHECK_THROWS_WITH(m.parameters()[0].gradient.values(), refused);
  CHECK(m.parameters()[0].gradient.size() == 240);
  CHECK(optimizer.steps() == 1);
  CHECK(m.memory().gradients == 0);

  m.accept_gradients();  // and written by hand
  for (const remat::parameter_view& p : m.parameters()) std::ranges::fill(p.gradient, 0.5f);
  optimizer.step(m);
  CHECK(optimizer.steps() == 2);

  m.train_step(inputs, classes);
  CHECK(m.parameters()[0].gradient[0] == m.parameters()[0].gradient.values()[0]);
  optimizer.step(m);
  CHECK(m.memory().gradients == m.plan(2).gradient_bytes);
  CHECK(m.memory().gradients_needed_for == "steps without an optimizer; who reads or writes them");
  model written;
  written.parameters()[0].gradient[0] = 1;
  CHECK(written.memory().gradients_needed_for == "who reads or writes them");
}

TEST_CASE("what needs the block keeps it, and the report of memory says what that is") {
  const std::vector<float> four(24, 0.5f);
  const std::vector<int> targets{0, 1, 2, 3};
  remat::sgd sgd{{.learning_rate = 0.1f}};
  model split{{.microbatches = 2}};
  split.train_step(four, targets, sgd);
  CHECK(split.memory().gradients == split.plan(2).gradient_bytes);
  CHECK(split.memory().transient_gradients == 0);
  CHECK(split.memory().gradients_needed_for == "micro-batches, which add theirs");
  CHECK_THROWS_WITH(split.parameters()[0].gradient.data(), Contains("has left no gradients"));

  remat::sgd other;
  remat::clipped clipped(other, 1);
  model whole;
  whole.train_step(four, targets, clipped);
  CHECK(whole.memory().gradients_needed_for == "clipping, which looks at all of them");
  CHECK(whole.parameters()[0].gradient.values().size() == 240);
}

TEST_CASE("a batch of one sample in one micro-batch has no block of gradients") {
  model m{{.microbatches = 1}};
  remat::sgd optimizer;
  m.train_step(std::vector<float>(6), std::vector{1}, optimizer);
  CHECK(m.memory().gradients == 0);
}

TEST_CASE("a step that is refused leaves parameters and optimizer as they were") {
  model m, other;
  const auto before = copy_of(remat::internals::store(m).value_block());
  remat::adamw optimizer;
  CHECK_THROWS_WITH(m.train_step(inputs, std::vector{1, 4}, optimizer), Contains("target 4"));
  CHECK_THROWS_WITH(m.train_step(inputs, std::vector{1}, optimizer), Contains("1"));
  CHECK_THROWS_WITH(m.train_step(inputs, classes, optimizer, -1), Contains("the factor on the learning rate is -1"));
  CHECK(copy_of(remat::internals::store(m).value_block()) == before);
  CHECK(optimizer.steps() == 0);
  CHECK(m.steps() == 0);
  CHECK(optimizer.bytes() == 0);
  CHECK_THROWS_WITH(optimizer.step(m), Contains("the last step was refused"));
  other.train_step(inputs, classes, optimizer);  // it has not bound itself to the first
  CHECK_THROWS_WITH(m.train_step(inputs, classes, optimizer),
                    Contains("an optimizer serves the model of its first step"));
  CHECK(copy_of(remat::internals::store(m).value_block()) == before);
}

TEST_CASE("the factor on the learning rate follows the optimizer") {
  model one, other;
  remat::sgd apart{{.learning_rate = 0.1f}}, within = apart;
  const remat::learning_rate::cosine schedule{.steps = 4};
  for (int i = 0; i < 3; ++i) {
    one.train_step(inputs, classes);
    apart.step(one, schedule(apart.steps()));
    other.train_step(inputs, classes, within, schedule(within.steps()));
  }
  CHECK(copy_of(remat::internals::store(one).value_block()) == copy_of(remat::internals::store(other).value_block()));
}

TEST_CASE("clipped clips, steps, and skips a step whose norm is not finite") {
  model one, other;
  remat::adamw apart{{.learning_rate = 0.1f}}, within = apart;
  remat::clipped clipped(within, 0.05);
  for (int i = 0; i < 3; ++i) {
    const float loss = one.train_step(inputs, classes);
    const double norm = remat::clip_gradients(one, 0.05);
    apart.step(one, 0.5);
    CHECK(other.train_step(inputs, classes, clipped, 0.5) == loss);
    CHECK(clipped.norm() == norm);
    CHECK_FALSE(clipped.has_skipped());
  }
  CHECK(copy_of(remat::internals::store(one).value_block()) == copy_of(remat::internals::store(other).value_block()));
  std::vector<float> bad = inputs;
  bad[3] = std::numeric_limits<float>::quiet_NaN();
  const auto before = copy_of(remat::internals::store(other).value_block());
  other.train_step(bad, classes, clipped);
  CHECK(clipped.has_skipped());
  CHECK(copy_of(remat::internals::store(other).value_block()) == before);
  CHECK(within.steps() == 3);
  CHECK(other.memory(clipped).optimizer == within.bytes());
  CHECK_THROWS_WITH(remat::clipped(within, 0), Contains("a number above 0 is accepted"));
}

/// Its second branch is thrown away.
using half_used = remat::sequential<
    remat::named<"first", nn::linear<6, 5>>,
    remat::parallel<remat::pick<0>, remat::named<"used", nn::linear<5, 4>>, remat::named<"unused", nn::linear<5, 3>>>>;

TEST_CASE("what is written into the gradient of a parameter that no gradient reaches is gone with the next step") {
  remat::model<half_used, remat::tensor<float, 6>, remat::nn::cross_entropy> half{{.seed = 1}};
  half.train_step(inputs, classes);
  const auto gradient = half.parameter("1.unused.weight").gradient;
  CHECK(std::ranges::all_of(gradient, [](float g) { return g == 0; }));
  std::ranges::fill(gradient, 0.5f);
  half.train_step(inputs, classes);
  CHECK(std::ranges::all_of(gradient, [](float g) { return g == 0; }));
}

TEST_CASE("parameters that no gradient reaches are updated from zeros, as apart") {
  remat::model<half_used, remat::tensor<float, 6>, nn::cross_entropy> one, other;
  remat::adamw apart{{.learning_rate = 0.1f, .weight_decay = 0.5f}}, within = apart;
  const std::span<const float> unused = other.parameter("1.unused.weight").values;
  const std::vector<float> before(unused.begin(), unused.end());
  for (int i = 0; i < 2; ++i) {
    one.train_step(inputs, classes);
    apart.step(one);
    other.train_step(inputs, classes, within);
  }
  CHECK(copy_of(remat::internals::store(one).value_block()) == copy_of(remat::internals::store(other).value_block()));
  CHECK(!same_bits(unused, before));
  CHECK(remat::audit(other, inputs, classes, within).holds());
}

TEST_CASE("a model that shares parameters with another trains those that are not frozen") {
  model one, other;
  model head_of_one{one, {.frozen = {"0"}}}, head_of_other{other, {.frozen = {"0"}}};
  remat::sgd apart{{.learning_rate = 0.1f, .momentum = 0.9f}}, within = apart;
  for (int i = 0; i < 4; ++i) {
    model *first = &one, *second = &other;
    if (i < 2) {
      head_of_one.train_step(inputs, classes);
      apart.step(head_of_one);
      head_of_other.train_step(inputs, classes, within);
    } else {
      first->train_step(inputs, classes);
      apart.step(*first);
      second->train_step(inputs, classes, within);
    }
  }
  CHECK(copy_of(remat::internals::store(one).value_block()) == copy_of(remat::internals::store(other).value_block()));
}

}  // namespace updates_of_step_tests
