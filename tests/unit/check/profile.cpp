// SPDX-License-Identifier: MIT
#include "temporary_folder.hpp"

#include <remat/check/profile.hpp>
#include <remat/check/profile_file.hpp>

#include <networks/networks.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace profile_tests {

using Catch::Matchers::Contains;

std::vector<std::byte> copy_of(std::span<const std::byte> block) { return {block.begin(), block.end()}; }

bool is_same(const remat::operation_costs& a, const remat::operation_costs& b) {
  if (a.batch != b.batch || a.per_byte != b.per_byte || a.operations.size() != b.operations.size()) return false;
  for (std::size_t i = 0; i < a.operations.size(); ++i) {
    if (a.operations[i].path != b.operations[i].path || a.operations[i].kind != b.operations[i].kind) return false;
    for (const remat::cost_field& field : remat::cost_fields)
      if (a.operations[i].*field.member != b.operations[i].*field.member) return false;
  }
  return true;
}

/// Every action of an operation costs 1, and every byte that is moved nothing.
remat::operation_costs one_each(const remat::program& p, std::size_t batch) {
  remat::operation_costs costs = remat::no_costs(p, batch);
  for (remat::operation_cost& each : costs.operations)
    for (const remat::cost_field& field : remat::cost_fields) each.*field.member = 1;
  return costs;
}

std::size_t actions_of_operations(const remat::plan& made) {
  return static_cast<std::size_t>(
      std::count_if(made.steps.actions.begin(), made.steps.actions.end(),
                    [](const remat::action& a) { return a.operation != remat::core::none; }));
}

TEST_CASE("a profile's mask has all keys, and its other integers are 0", "[run][profile]") {
  const remat::program p = networks::named("padded").lower();  // of tokens, and a mask
  const remat::detail::random_inputs drawn(p, 3);
  const auto are_all = [&](std::size_t i, std::int32_t number) {
    const remat::tensor_source& given = drawn.sources()[i];
    const auto* const first = static_cast<const std::int32_t*>(given.data);
    return std::all_of(first, first + given.size, [=](std::int32_t each) { return each == number; });
  };
  CHECK(are_all(0, 0));
  CHECK(are_all(1, 1));
  CHECK(are_all(2, 0));  // targets
}

TEST_CASE("a profile names every operation, and changes nothing", "[run][profile]") {
  for (const char* name : {"stateful", "tokens", "tied", "two_inputs"}) {
    CAPTURE(name);
    const networks::network& wanted = networks::named(name);
    remat::network model = networks::make(wanted, {.seed = 1});
    const remat::program& p = model.lowered();
    const networks::batch data = networks::random_batch(wanted, p, wanted.microbatch, 1);
    networks::train_step(model, data);
    const auto values = copy_of(remat::internals::store(model).value_block()),
               gradients = copy_of(remat::internals::store(model).gradient_block()),
               states = copy_of(remat::internals::store(model).state_block());
    const auto steps = model.steps();
    const remat::operation_costs costs = remat::profile(model, wanted.microbatch, {.runs = 3, .warm_up = 1});
    CHECK(copy_of(remat::internals::store(model).value_block()) == values);
    CHECK(copy_of(remat::internals::store(model).gradient_block()) == gradients);
    CHECK(copy_of(remat::internals::store(model).state_block()) == states);
    CHECK(model.steps() == steps);

    CHECK_NOTHROW(remat::require_costs_of(p, costs));
    for (const double number :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -1.0}) {
      remat::operation_costs broken = costs, broken_bytes = costs;
      broken.operations.back().forward = number;
      broken_bytes.per_byte[static_cast<std::size_t>(remat::action_kind::load)] = number;
      for (const remat::operation_costs& each : {broken, broken_bytes})
        CHECK_THROWS_WITH(remat::require_costs_of(p, each), Catch::Matchers::Contains("finite and not below 0"));
    }
    CHECK(costs.batch == wanted.microbatch);
    CHECK(costs.per_byte[static_cast<std::size_t>(remat::action_kind::load)] > 0);
    const auto needs = remat::detail::backward_needs(p);
    for (int i = 0; i < p.operations.count(); ++i) {
      const remat::operation_cost& cost = costs.operations[static_cast<std::size_t>(i)];
      CAPTURE(i, cost.kind);
      CHECK(cost.forward > 0);
      if (!p.operations[i].is.passes_gradient) CHECK((cost.backward() > 0) == needs[i].any());
      CHECK((cost.update_state > 0) == p.operations[i].updates_state);
    }
    // The whole is the sum of its parts: operations, and bytes that are moved between them.
    double of_operations = 0, of_bytes = 0;
    for (const double each : remat::step_costs(p, costs)) of_operations += each;
    const remat::plan made = remat::plan_training(p, costs.batch);
    for (const remat::action& a : made.steps.actions)
      if (a.operation == remat::core::none)
        of_bytes += costs.per_byte[static_cast<std::size_t>(a.kind)] * static_cast<double>(remat::bytes_moved(made, a));
    CHECK(of_bytes > 0);
    CHECK(remat::predicted_cost(made, costs) == Approx(of_operations + of_bytes));
  }
}

TEST_CASE("a profile leaves no memory of gradients where steps have none", "[run][profile]") {
  remat::model<remat::nn::linear<4, 3>, remat::tensor<float, 4>, remat::nn::cross_entropy> model{
      {.seed = 1, .threads = 1}};
  const std::vector<float> x(8, 0.5f);
  const std::vector<std::int32_t> y{0, 2};
  remat::sgd optimizer{{.learning_rate = 0.1f}};
  model.train_step(x, y, optimizer);
  REQUIRE(model.memory().gradients == 0);
  remat::profile(model, 2, {.runs = 1, .warm_up = 0});
  CHECK(model.memory().gradients == 0);
  model.train_step(x, y, optimizer);
  model.train_step(x, y);
  CHECK(model.parameter("weight").gradient.values()[0] != 0);
}

TEST_CASE("a model without a loss is profiled, too", "[run][profile]") {
  const networks::network& wanted = networks::named("example_01");
  remat::program p = wanted.lower();
  const int loss = p.producers[p.loss];  // cut off, and its node with it
  REQUIRE(loss == p.operations.count() - 1);
  remat::core::list<remat::operation> operations;
  for (int i = 0; i < loss; ++i) operations.push_back(p.operations[i]);
  p.operations = operations;
  remat::core::list<remat::module_node> nodes;
  for (int n = 0; n < p.nodes[0].end; ++n) nodes.push_back(p.nodes[n]);
  p.nodes = nodes;
  p.loss = remat::core::none;
  remat::network model(p, {.seed = 1});
  const remat::operation_costs costs = remat::profile(model, 2, {.runs = 1, .warm_up = 0});
  CHECK(costs.operations.front().forward > 0);
  CHECK(costs.operations.front().backward() > 0);
  CHECK_THROWS_WITH(remat::profile(model, 2, {.runs = 0}), Contains("at least one run"));
}

TEST_CASE("a plan costs what its actions cost", "[run][profile]") {
  for (const networks::network& each : networks::all()) {
    CAPTURE(each.name);
    remat::program p = each.lower();
    const auto count = [&](std::vector<remat::checkpoint_at> checkpoints) {
      remat::annotate(p, checkpoints);
      const remat::program fused = remat::fuse(p);
      const remat::plan made = remat::plan_training(fused, each.microbatch);
      const remat::operation_costs costs = one_each(fused, each.microbatch);
      // No tape packs before kernels are prepared: an operation does so once, whenever that is.
      CHECK(remat::predicted_cost(made, costs) ==
            Approx(static_cast<double>(actions_of_operations(made) + remat::count(made, remat::action_kind::forward))));
      return remat::predicted_cost(made, costs);
    };
    const double plain = count({});
    CHECK(count({remat::checkpoint_at("")}) >= plain);
    CHECK(count({remat::checkpoint_at(each.chain, remat::strategy::group<2>{})}) >= plain);
  }
}

TEST_CASE("counted costs hold recomputation as the tape does", "[run][profile]") {
  const networks::network& each = networks::named("example_02");
  remat::program p = each.lower();
  remat::annotate(p, {remat::checkpoint_at(each.chain)});
  p = remat::fuse(p);
  const remat::operation_costs costs = remat::counted_costs(p, 8);
  double sum = 0;
  for (const double operation : remat::step_costs(p, costs)) sum += operation;
  const remat::plan made = remat::plan_training(p, 8);
  REQUIRE(remat::count(made, remat::action_kind::recompute) > 0);
  CHECK(sum == Approx(remat::predicted_cost(made, costs)));
}

TEST_CASE("a profile is written and read", "[run][profile]") {
  const temporary_folder folder;
  const remat::program p = remat::fuse(networks::named("example_01").lower());
  remat::operation_costs costs = one_each(p, 64);
  for (std::size_t i = 0; i < costs.operations.size(); ++i) {
    costs.operations[i].forward = 1 / (3.0 + static_cast<double>(i));
    costs.operations[i].backward_input = 1e-300;
  }
  costs.per_byte[static_cast<std::size_t>(remat::action_kind::load)] = 1.0 / 7e9;
  const auto path = folder.path() / "profile.json";
  remat::write_costs(path, costs);
  CHECK(is_same(remat::read_costs(path, p), costs));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "profile.json.partial"));
  CHECK_THROWS_WITH(remat::write_costs(folder.path() / "no" / "profile", costs), Contains("cannot be written"));

  for (const double number :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -1.0}) {
    remat::operation_costs broken = costs;
    broken.operations.back().forward = number;
    CHECK_THROWS_WITH(remat::write_costs(path, broken), Contains("profile.json: is not written"));
    CHECK(is_same(remat::read_costs(path, p), costs));
  }

  const std::string text = temporary_folder::stored(path);
  const auto refuses = [&](const std::string& from, const std::string& to, const std::string& what) {
    CAPTURE(from, to);
    std::string changed = text;
    REQUIRE(changed.find(from) != std::string::npos);
    changed.replace(changed.find(from), from.size(), to);
    const auto broken = folder.write("broken", changed);
    CHECK_THROWS_WITH(remat::read_costs(broken, p), Contains("broken: ") && Contains(what));
    CHECK_THROWS_AS(remat::read_costs(broken, p), remat::data_error);
  };
  refuses("\"kind\": \"conv2d\"", "\"kind\": \"linear\"", "of the costs is '");
  refuses("conv2d", "conv3d", "(conv3d), and that of the model is ");
  for (const char* samples : {"0", "-1", "1.5", "1e3", "\"8\"", "null", "18446744073709551616"})
    refuses("\"batch\": " + std::to_string(costs.batch), "\"batch\": " + std::string(samples), "no `batch`");
  refuses("{\"path\"", "{\"way\"", "operation 0 has no `path`, a text");
  refuses("\"forward\": 0.3", "\"forward\": -0.3", "operation 0 has no `forward`, a number of at least 0");
  refuses("\"forward\": 0.3", "\"forward\": 1e999", "no JSON");
  refuses("\"load\"", "\"loads\"", "`seconds_per_byte` has no `load`");
  refuses("\"operations\"", "\"operation\"", "is no profile");
  refuses("}}", "}", "is no JSON");
  CHECK_THROWS_WITH(remat::read_costs(path, remat::fuse(networks::named("example_02").lower())),
                    Contains("profile.json: ") && Contains("profile this model"));
  CHECK_THROWS_WITH(remat::read_costs(folder.path() / "none", p),
                    Contains("cannot be opened") && Contains("write_costs"));
}

}  // namespace profile_tests
