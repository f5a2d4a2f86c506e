// SPDX-License-Identifier: MIT
// A model as an object: moved, moved from, moved onto itself, swapped, cloned, const.
#include "same_bits.hpp"

#include <remat/check/profile.hpp>
#include <remat/io/weights.hpp>
#include <remat/remat.hpp>

#include <unistd.h>
#include <catch2/catch.hpp>

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace model_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using net = remat::sequential<nn::conv2d<1, 2, 3, nn::window{.padding = 1}>, nn::batch_norm2d<2>, nn::relu,
                              nn::dropout<>, nn::flatten, nn::linear<24, 3>>;
using input = remat::image<float, 1, 3, 4>;
using trained = remat::model<net, input, nn::cross_entropy>;
using untrained = remat::model<net, input>;

std::vector<float> numbers(std::size_t size) {
  std::vector<float> made(size);
  for (std::size_t i = 0; i < size; ++i) made[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i)));
  return made;
}
const std::vector<float> x = numbers(48), dy = numbers(12);
const std::vector<std::int32_t> y{0, 1, 2, 1};

bool same_weights(const remat::network& a, const remat::network& b) {
  bool is_same = a.parameters().size() == b.parameters().size() && a.states().size() == b.states().size();
  for (std::size_t i = 0; is_same && i < a.parameters().size(); ++i)
    is_same = same_bits(a.parameters()[i].values, b.parameters()[i].values);
  for (std::size_t i = 0; is_same && i < a.states().size(); ++i)
    is_same = same_bits(a.states()[i].values, b.states()[i].values);
  return is_same;
}
template <class T>
void move_onto_itself(T& object) {
  T& other = object;  // which no compiler warns of
  object = std::move(other);
}

TEST_CASE("a model that was moved from refuses whatever it is asked, and the other goes on") {
  trained whole{{.seed = 1}};
  untrained parts{{.seed = 1}};
  whole.train_step(x, y);
  parts.forward(x);
  trained whole_moved = std::move(whole);
  untrained parts_moved = std::move(parts);
  CHECK_NOTHROW(parts_moved.backward(dy));  // which waited for what `forward` kept
  CHECK(whole_moved.plan().batch == 4);

  remat::sgd optimizer;
  const std::vector<std::pair<std::vector<float>, std::vector<std::int32_t>>> none;
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("remat_moved_from." + std::to_string(getpid()));
  const std::vector<std::function<void()>> calls{
      [&] { whole.train_step(x, y); },
      [&] { whole.predict(x); },
      [&] { parts.forward(x); },
      [&] { parts.backward(dy); },
      [&] { whole.train_on({}); },
      [&] { whole.predict_on({}); },
      [&] { parts.forward_on({}); },
      [&] { parts.backward_on({}); },
      [&] { whole.input_gradient(); },
      [&] { whole.output(0); },
      [&] { whole.evaluate(none, remat::accuracy{}); },
      [&] { whole.plan(4); },
      [&] { whole.plan(); },
      [&] { whole.inference_plan(4); },
      [&] { whole.memory(); },
      [&] { whole.planned_memory(4); },
      [&] { whole.planned_memory(4, optimizer); },
      [&] { whole.reserved(); },
      [&] { whole.release_plans(); },
      [&] { whole.set_threads(1); },
      [&] { whole.microbatches(); },
      [&] { whole.lowered(); },
      [&] { whole.output_shape(); },
      [&] { remat::internals::training(whole, 4); },
      [&] { remat::internals::inference(whole, 4); },
      [&] { whole.batch_of({}, 1); },
      [&] { whole.clone(); },
      [&] { trained(whole, remat::model_options{}); },
      [&] { whole.parameters(); },
      [&] { whole.parameter("0.weight"); },
      [&] { whole.states(); },
      [&] { whole.seed(); },
      [&] { whole.threads(); },
      [&] { whole.steps(); },
      [&] { whole.identity(); },
      [&] { remat::internals::store(whole); },
      [&] { whole.weights(); },
      [&] { whole.tensors(optimizer); },
      [&] { whole.all_parameters(); },
      [&] { whole.updated_here(0); },
      [&] { whole.require_gradients(); },
      [&] { whole.accept_gradients(); },
      [&] { whole.numbers(); },
      [&] { optimizer.step(whole); },
      [&] { remat::clip_gradients(whole, 1); },
      [&] { remat::audit(whole, x, y); },
      [&] { remat::profile(whole, 4); },
      [&] { remat::save_weights(whole, file); },
  };
  for (std::size_t i = 0; i < calls.size(); ++i) {
    INFO("call " << i);
    CHECK_THROWS_WITH(calls[i](), Contains("this model was moved from and holds nothing"));
  }
  CHECK_FALSE(std::filesystem::exists(file));
  whole = std::move(whole_moved);
  CHECK_NOTHROW(whole.train_step(x, y));
  CHECK_NOTHROW(optimizer.step(whole));
}

TEST_CASE("models may be swapped, and moved onto themselves") {
  trained a{{.seed = 1}}, b{{.seed = 2}};
  const auto of = [](const trained& model) {
    const auto outputs = model.predict(x);
    return std::vector<float>(outputs.begin(), outputs.end());
  };
  const std::vector<float> from_a = of(a), from_b = of(b);
  std::swap(a, b);
  CHECK(same_bits(of(a), from_b));
  CHECK(same_bits(of(b), from_a));
  move_onto_itself(a);
  CHECK(same_bits(a.output(0), from_b));
  CHECK(same_bits(of(a), from_b));
  untrained parts{{.seed = 1}};
  parts.forward(x);
  move_onto_itself(parts);
  CHECK_NOTHROW(parts.backward(dy));
  std::vector<trained> several;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) several.push_back(trained{{.seed = seed}});
  CHECK(same_bits(of(several[0]), from_a));
}

TEST_CASE("optimizers and image sets that were moved from say so") {
  trained model{{.seed = 1}}, copy = model.clone();
  remat::adam optimizer, expected;
  const auto step = [](trained& of, remat::adam& rule) {
    of.train_step(x, y);
    rule.step(of);
  };
  optimizer.group("5", {.learning_rate = 0.5f});
  expected.group("5", {.learning_rate = 0.5f});
  for (int i = 0; i < 2; ++i) {
    step(model, optimizer);
    step(copy, expected);
  }
  remat::adam moved = std::move(optimizer);
  for (const std::function<void()>& call : std::vector<std::function<void()>>{
           [&] { optimizer.step(model); }, [&] { optimizer.steps(); }, [&] { optimizer.settings(); },
           [&] { optimizer.settings(0); }, [&] { optimizer.group("0", {}); }, [&] { optimizer.bytes(); },
           [&] { model.tensors(optimizer); }})
    CHECK_THROWS_WITH(call(), Contains("this optimizer was moved from"));
  move_onto_itself(moved);
  step(model, moved);
  step(copy, expected);
  CHECK(same_weights(model, copy));
  remat::adam assigned{{.learning_rate = 2}};
  assigned.group("", {.learning_rate = 3});
  assigned = std::move(moved);
  CHECK(assigned.steps() == 3);
  CHECK_THROWS_WITH(moved.steps(), Contains("this optimizer was moved from"));
  step(model, assigned);
  step(copy, expected);
  CHECK(same_weights(model, copy));

  remat::image_set set({0, 1, 2, 3}, {0, 1}, {1, 1, 2});
  const remat::image_set other = std::move(set);
  CHECK(other.size() == 2);
  CHECK_THROWS_WITH(set.batches(1), Contains("this image set was moved from"));
  CHECK_THROWS_WITH(set.label(0), Contains("this image set was moved from"));
  CHECK_THROWS_WITH(set.pixels(0), Contains("this image set was moved from"));
  CHECK_THROWS_WITH(set.first(1), Contains("this image set was moved from"));
}

TEST_CASE("a clone is equal, and apart from then on") {
  trained model{{.seed = 5, .frozen = {"0"}, .microbatches = 2}};
  remat::adam optimizer;
  for (int i = 0; i < 3; ++i) {
    model.train_step(x, y);
    optimizer.step(model);
  }
  trained copy = model.clone();
  CHECK(same_weights(model, copy));
  CHECK(copy.identity() != model.identity());
  CHECK(copy.parameters()[0].values.data() != model.parameters()[0].values.data());
  CHECK(copy.states()[0].values.data() != model.states()[0].values.data());
  CHECK(copy.parameter("0.weight").gradient.empty());
  CHECK(copy.seed() == 5);
  CHECK(copy.steps() == 3);
  CHECK(copy.threads() == model.threads());
  CHECK(copy.microbatches() == 2);
  CHECK_THROWS_WITH(remat::sgd{}.step(copy), Contains("no gradients yet"));
  CHECK_THROWS_WITH(optimizer.step(copy), Contains("make one for each other model"));
  CHECK(model.train_step(x, y) == copy.train_step(x, y));  // dropout's numbers are those of the same step
  for (std::size_t i = 0; i < model.parameters().size(); ++i)
    CHECK(same_bits(model.parameters()[i].gradient, copy.parameters()[i].gradient));
  CHECK(same_weights(model, copy));
  optimizer.step(model);
  CHECK_FALSE(same_weights(model, copy));
  const remat::network of_network = static_cast<const remat::network&>(copy).clone();
  CHECK(same_bits(of_network.predict(x), copy.predict(x)));
}

TEST_CASE("a model that is const predicts") {
  trained model{{.seed = 1}};
  const trained& fixed = model;
  const auto first = fixed.predict(x);
  const std::vector<float> expected(first.begin(), first.end());
  CHECK(same_bits(model.predict(x), expected));
  CHECK(same_bits(fixed.output(0), expected));
  const std::vector<std::pair<std::vector<float>, std::vector<std::int32_t>>> batches{{x, y}};
  CHECK(fixed.evaluate(batches, remat::accuracy{}) == model.evaluate(batches, remat::accuracy{}));
  static_assert(!std::is_copy_constructible_v<trained> && std::is_nothrow_move_constructible_v<trained> &&
                std::is_nothrow_move_assignable_v<trained>);
}

}  // namespace model_tests
