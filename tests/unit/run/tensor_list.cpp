// SPDX-License-Identifier: MIT
// The list of what a model and its optimizers remember: what is in it, and that a run which goes on from it has the
// bits of one that was never stopped.
#include "random_batch.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tensor_list_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;

/// With states, a shared parameter and numbers that depend on the step.
using tied = remat::shared<"cell", nn::linear<6, 6>>;
using net = remat::sequential<remat::named<"conv", nn::conv2d<1, 2, 3>>, remat::named<"norm", nn::batch_norm2d<2>>,
                              nn::flatten, nn::linear<24, 6>, tied, nn::dropout<0.1>, tied, nn::log_softmax>;
using trained = remat::model<net, remat::image<float, 1, 5, 6>, nn::nll_loss>;

struct batch {
  std::vector<float> x = std::vector<float>(4 * 30);
  std::vector<std::int32_t> y = {0, 1, 5, 3};
};
batch batch_of_step(int step) {
  batch made;
  for (std::size_t i = 0; i < made.x.size(); ++i)
    made.x[i] = static_cast<float>((i * 7 + static_cast<std::size_t>(step) * 13) % 11) / 11 - 0.4f;
  return made;
}

/// What a file of everything would hold.
using snapshot = std::map<std::string, std::vector<std::byte>>;

snapshot read(const remat::tensor_list& all) {
  snapshot kept;
  std::vector<std::byte> room(all.room_to_gather(0));
  for (const remat::named_tensor& t : all) {
    if (!t.is_there) continue;
    const auto whole = all.gather(t, 0, room);
    kept[t.name].assign(whole.begin(), whole.end());
  }
  return kept;
}
void write(const snapshot& kept, remat::tensor_list all) {
  for (remat::named_tensor& t : all) {
    const auto found = kept.find(t.name);
    t.set_there(found != kept.end());
    if (t.is_there) all.scatter(t, 0, found->second);
  }
}

template <class Optimizer>
void train(trained& model, Optimizer& optimizer, int first, int last) {
  for (int step = first; step < last; ++step) {
    const batch b = batch_of_step(step);
    model.train_step(b.x, b.y);
    optimizer.step(model);
  }
}

TEST_CASE("the list has everything that a model remembers, by name") {
  trained model{{.seed = 3, .frozen = {"conv"}}};
  remat::adam adam;
  remat::sgd sgd{{.momentum = 0.9f}};
  std::uint64_t position = 7;
  remat::tensor_list all = model.tensors(adam, sgd);
  all.add_counter("data/position", position);

  const remat::named_tensor& weight = *all.find("conv.weight");
  CHECK(weight.role == remat::tensor_role::parameter);
  CHECK(weight.shape == std::vector<std::size_t>{2, 1, 3, 3});
  CHECK(weight.here.data() == reinterpret_cast<std::byte*>(model.parameter("conv.weight").values.data()));
  CHECK(all.find("norm.running_mean")->role == remat::tensor_role::state);
  const remat::named_tensor& shared = *all.find("4.weight");
  CHECK(shared.names == std::vector<std::string>{"4.weight", "6.weight"});
  CHECK(all.find("6.weight") == nullptr);
  CHECK(all.find("model/seed")->type == remat::element::uint64);
  CHECK(all.find("model/steps")->type == remat::element::uint32);
  CHECK(all.find("data/position")->bytes() == 8);

  // An optimizer has no rows before its first update, nor for what is frozen, and its counts are there.
  CHECK_FALSE(all.find("optimizer/3.weight/exp_avg")->is_there);
  CHECK(all.find("optimizer2/3.weight/momentum_buffer")->here.empty());
  CHECK(all.find("optimizer/3.weight/steps")->here.size() == 8);
  train(model, adam, 0, 2);
  remat::tensor_list later = model.tensors(adam, sgd);
  const remat::named_tensor& row = *later.find("optimizer/3.weight/exp_avg_sq");
  CHECK(row.is_there);
  CHECK(row.role == remat::tensor_role::optimizer);
  CHECK(row.here.size() == 24 * 6 * sizeof(float));
  CHECK_FALSE(later.find("optimizer/conv.weight/exp_avg")->is_there);
  CHECK_FALSE(later.find("optimizer2/3.weight/momentum_buffer")->is_there);
  std::size_t bytes = 0;
  for (const remat::named_tensor& t : later)
    if (t.role == remat::tensor_role::optimizer) bytes += t.here.size();
  CHECK(bytes == adam.bytes());

  CHECK_THROWS_WITH(later.add_counter("model/steps", position), Contains("'model/steps'; give one of them another"));
  remat::clipped clipped{adam, 1.0};
  CHECK(model.tensors(clipped).find("optimizer/3.weight/exp_avg")->here.size() == 24 * 6 * sizeof(float));
  trained other{{.seed = 3}};
  CHECK_THROWS_WITH(other.tensors(adam), Contains("make one for each other model"));
}

/// Training that goes on from what `make()` has remembered after 3 steps, in a model and an optimizer of another past.
template <class Make>
void goes_on(const Make& make) {
  const remat::model_options options{.seed = 3, .threads = 1};
  trained model(options), stopped(options);
  auto optimizer = make(), stopped_optimizer = make();
  train(model, optimizer, 0, 6);
  train(stopped, stopped_optimizer, 0, 3);
  const snapshot kept = read(stopped.tensors(stopped_optimizer));

  for (const int steps_before : {0, 2}) {
    trained resumed{{.seed = 99, .threads = 1}};
    auto resumed_optimizer = make();
    train(resumed, resumed_optimizer, 0, steps_before);
    write(kept, resumed.tensors(resumed_optimizer));
    CHECK(resumed.seed() == 3);
    CHECK(resumed.steps() == 3);
    CHECK(resumed_optimizer.steps() == 3);
    CHECK(resumed_optimizer.bytes() == stopped_optimizer.bytes());
    train(resumed, resumed_optimizer, 3, 6);
    CHECK(read(resumed.tensors(resumed_optimizer)) == read(model.tensors(optimizer)));
  }
}

TEST_CASE("a run that goes on from the list has the bits of one that was never stopped") {
  goes_on([] { return remat::adam{{.learning_rate = 0.01f}}; });
  goes_on([] { return std::move(remat::adamw{{.learning_rate = 0.01f}}.group("*.bias", {.weight_decay = 0})); });
  goes_on([] { return remat::sgd{{.learning_rate = 0.1f, .momentum = 0.9f, .dampening = 0.5f}}; });
  goes_on([] { return remat::sgd{{.learning_rate = 0.1f}}; });
}

TEST_CASE("what an optimizer does not need at the moment is remembered, too, and what it never had begins anew") {
  const auto make = [] { return remat::sgd{{.learning_rate = 0.1f, .momentum = 0.9f, .dampening = 0.5f}}; };
  trained model{{.seed = 3, .threads = 1}}, late{{.seed = 3, .threads = 1}};
  auto optimizer = make(), late_optimizer = make();
  late_optimizer.settings().momentum = 0;
  train(late, late_optimizer, 0, 2);
  const snapshot without = read(late.tensors(late_optimizer));
  train(model, optimizer, 0, 2);
  optimizer.settings().momentum = 0;
  train(model, optimizer, 2, 3);
  const snapshot kept = read(model.tensors(optimizer));
  CHECK(kept.contains("optimizer/3.weight/momentum_buffer"));
  CHECK_FALSE(without.contains("optimizer/3.weight/momentum_buffer"));

  const auto goes_on_from = [&](const snapshot& from, trained& expected, remat::sgd& expected_optimizer, int step) {
    trained resumed{{.seed = 4, .threads = 1}};
    auto resumed_optimizer = make();
    train(resumed, resumed_optimizer, 0, 1);  // it has a momentum, which is forgotten or replaced
    write(from, resumed.tensors(resumed_optimizer));
    expected_optimizer.settings().momentum = 0.9f;
    train(resumed, resumed_optimizer, step, step + 2);
    train(expected, expected_optimizer, step, step + 2);
    CHECK(read(resumed.tensors(resumed_optimizer)) == read(expected.tensors(expected_optimizer)));
  };
  goes_on_from(kept, model, optimizer, 3);
  goes_on_from(without, late, late_optimizer, 2);
}

/// Three ranks as one process sees them, each with a part of a tensor: what is sent is looked up.
struct three_ranks : remat::tensor_ranks {
  int mine = 0;
  mutable std::vector<std::pair<int, std::vector<std::byte>>> sent;
  mutable std::vector<std::vector<std::byte>> to_come;

  int rank() const override { return mine; }
  void send(std::span<const std::byte> bytes, int to) const override {
    sent.push_back({to, {bytes.begin(), bytes.end()}});
  }
  void receive(std::span<std::byte> bytes, int) const override {
    REQUIRE(!to_come.empty());
    REQUIRE(to_come.front().size() == bytes.size());
    std::ranges::copy(to_come.front(), bytes.begin());
    to_come.erase(to_come.begin());
  }
};

TEST_CASE("parts are gathered in their order, each element once, and every holder is given its own") {
  const std::vector<float> whole{0, 1, 2, 3, 4, 5, 6};
  const std::vector<remat::held_elements> holders{{2, 0, 3}, {0, 3, 7}, {1, 2, 7}};
  const auto part = [&](const remat::held_elements& h) {
    return std::vector<float>(whole.begin() + static_cast<std::ptrdiff_t>(h.first),
                              whole.begin() + static_cast<std::ptrdiff_t>(h.last));
  };
  const auto bytes = [](const std::vector<float>& values) {
    const auto view = std::as_bytes(std::span(values));
    return std::vector<std::byte>(view.begin(), view.end());
  };
  for (const remat::held_elements& me : holders) {
    three_ranks ranks;
    ranks.mine = me.rank;
    std::vector<float> here = part(me);
    remat::tensor_list all(ranks);
    all.add({.name = "w",
             .shape = {7},
             .holders = holders,
             .first = me.first,
             .here = std::as_writable_bytes(std::span(here))});
    std::vector<std::byte> room(all.room_to_gather(0));
    CHECK(room.size() == 28);
    if (me.rank == 0) ranks.to_come = {bytes(part(holders[0]))};
    const auto gathered = all.gather(all[0], 0, room);
    if (me.rank == 0) CHECK(std::ranges::equal(gathered, bytes(whole)));
    if (me.rank == 1) CHECK(ranks.sent.empty());  // others have them
    if (me.rank == 2) CHECK((ranks.sent == decltype(ranks.sent){{0, bytes(part(me))}}));
    if (me.rank != 0) CHECK(gathered.empty());

    ranks.sent.clear();
    std::ranges::fill(here, -1.0f);
    if (me.rank != 0) ranks.to_come = {bytes(part(me))};
    all.scatter(all[0], 0, me.rank == 0 ? std::as_bytes(std::span(whole)) : std::span<const std::byte>());
    CHECK(here == part(me));
    CHECK(ranks.to_come.empty());
    if (me.rank == 0)
      CHECK((ranks.sent == decltype(ranks.sent){{2, bytes(part(holders[0]))}, {1, bytes(part(holders[2]))}}));
  }
}

}  // namespace tensor_list_tests
