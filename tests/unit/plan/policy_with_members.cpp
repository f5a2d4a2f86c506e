// SPDX-License-Identifier: MIT
// Policies and strategies that are objects with members: as values, and as tags.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "networks/save_what_fits.hpp"
#include "same_bits.hpp"

namespace policy_with_members_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using networks::save_what_fits;
using remat::checkpoint_at, remat::decision, remat::operation_view, remat::segment_context;

/// Answers with these segments.
struct nested {
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  std::size_t decisions = 0;

  remat::segment_choice plan(std::span<const operation_view>, const segment_context&) const {
    remat::segment_choice choice(remat::core::list<decision>(decisions, decision::keep));
    for (const auto& [first, last] : ranges) choice.nested.push_back({first, last, {}});
    return choice;
  }
};

/// Writes down what it sees.
struct witness {
  std::vector<operation_view>* seen;
  std::vector<std::vector<int>>* edges;
  std::vector<segment_context>* contexts;

  remat::core::list<decision> plan(std::span<const operation_view> segment, const segment_context& context) const {
    contexts->push_back(context);
    for (const operation_view& each : segment) {
      seen->push_back(each);
      edges->emplace_back(each.producers.begin(), each.producers.end());
      edges->emplace_back(each.readers.begin(), each.readers.end());
    }
    return {};
  }
};

using layer = remat::sequential<nn::linear<16, 16>, nn::tanh, nn::dropout<>>;
using chain = remat::repeat<6, layer>;
template <class Chain>
using net = remat::sequential<nn::linear<16, 16>, remat::named<"h", Chain>, nn::linear<16, 4>, nn::log_softmax>;
template <class Chain>
using model = remat::model<net<Chain>, remat::tensor<float, 16>, nn::nll_loss>;
constexpr std::size_t batch = 8, layer_bytes = batch * 16 * sizeof(float);

/// Two steps; the losses and the parameters afterwards.
std::vector<float> train(auto& m) {
  std::vector<float> x(batch * 16);
  std::iota(x.begin(), x.end(), -60.0f);
  for (float& each : x) each /= 40;
  const std::vector<std::int32_t> y{0, 1, 2, 3, 3, 2, 1, 0};
  remat::sgd optimizer{{.learning_rate = 0.1f}};
  std::vector<float> bits;
  for (int step = 0; step < 2; ++step) {
    bits.push_back(m.train_step(x, y));
    for (const remat::parameter_view& p : m.parameters()) bits.insert(bits.end(), p.gradient.begin(), p.gradient.end());
    optimizer.step(m);
  }
  return bits;
}
model<chain> with_value(std::vector<checkpoint_at> checkpoints) {
  return model<chain>{{.seed = 4, .threads = 1, .checkpoints = std::move(checkpoints)}};
}

TEST_CASE("an object's members are kept and used") {
  std::size_t kept_before = 0, recomputed_before = 1000;
  for (const std::size_t layers : {0u, 1u, 3u, 5u}) {
    const auto plan = with_value({checkpoint_at("h", save_what_fits{2 * layers * layer_bytes})}).plan(batch);
    CHECK(plan.kept_bytes > kept_before);
    CHECK(plan.recompute < recomputed_before);
    kept_before = plan.kept_bytes;
    recomputed_before = plan.recompute;
  }
}

TEST_CASE("a tag and a value with the same members are one plan, and the same bits") {
  constexpr std::size_t bytes = 4 * layer_bytes;
  using tagged = remat::checkpoint<chain, remat::with<save_what_fits{bytes}>>;
  auto plain = with_value({}), value = with_value({checkpoint_at("h", save_what_fits{bytes})});
  model<tagged> tag{{.seed = 4, .threads = 1}};
  CHECK(tag.plan(batch).activation_bytes == value.plan(batch).activation_bytes);
  CHECK(tag.plan(batch).recomputed == value.plan(batch).recomputed);
  CHECK(tag.plan(batch).recompute > 0);
  static_assert(remat::peak_activation_bytes<net<tagged>, remat::tensor<float, 16>, nn::nll_loss>(batch) > 0);
  CHECK(remat::peak_activation_bytes<net<tagged>, remat::tensor<float, 16>, nn::nll_loss>(batch) ==
        value.plan(batch).activation_bytes);
  const std::vector<float> expected = train(plain);
  CHECK(same_bits(train(value), expected));
  CHECK(same_bits(train(tag), expected));
}

TEST_CASE("segments begin with the places that a strategy names, as a value and as a tag") {
  namespace strategy = remat::strategy;
  using tagged = remat::checkpoint_sequential<chain, strategy::boundaries<"h.2", "h.3">>;
  auto plain = with_value({}), value = with_value({checkpoint_at("h", strategy::at({"h.2", "h.3"}))});
  model<tagged> tag{{.seed = 4, .threads = 1}};
  CHECK(tag.plan(batch).recomputed == value.plan(batch).recomputed);
  CHECK(tag.plan(batch).recompute > 0);
  const std::vector<float> expected = train(plain);
  CHECK(same_bits(train(value), expected));
  CHECK(same_bits(train(tag), expected));
  // Of the whole model, inside a child that is a sequential.
  auto outer = with_value({checkpoint_at("", strategy::at({"h.2", "h.4.1"}))});
  const remat::program& p = outer.lowered();
  const auto segments = remat::segments_of(p, {.batch = batch});
  REQUIRE(segments.size() == 3);
  CHECK(segments[1].first == p.nodes[remat::find_node(p, "h.2")].first);
  CHECK(segments[2].first == p.nodes[remat::find_node(p, "h.4.1")].first);
  CHECK(same_bits(train(outer), expected));
  using misspelt = remat::checkpoint_sequential<chain, strategy::boundaries<"h.9">>;
  CHECK_THROWS_WITH((model<misspelt>{{.threads = 1}}), Contains("no module has the path 'h.9'"));
}

TEST_CASE("a policy may answer with segments, which nest") {
  auto plain = with_value({});
  const std::vector<float> expected = train(plain);
  // Each layer of the chain is two operations: linear with tanh, and dropout.
  auto tree = with_value({checkpoint_at("h", nested{{{0, 6}, {8, 10}, {0, 4}, {6, 12}, {0, 2}}})});
  const remat::program& p = tree.lowered();
  const auto made = remat::segments_of(p, {.batch = batch});
  REQUIRE(made.size() == 6);
  const std::vector<std::pair<int, int>> ranges{{1, 13}, {1, 7}, {1, 5}, {1, 3}, {7, 13}, {9, 11}};
  const std::vector<int> parents{remat::core::none, 0, 1, 2, 0, 4};
  for (int k = 0; k < 6; ++k) {
    CHECK(std::pair(made[k].first, made[k].last) == ranges[static_cast<std::size_t>(k)]);
    CHECK(made[k].parent == parents[static_cast<std::size_t>(k)]);
  }
  CHECK(same_bits(train(tree), expected));
  // They take the place of the checkpoints inside.
  auto inside = with_value({checkpoint_at("h", nested{{{0, 6}}}), checkpoint_at("h.1"), checkpoint_at("h.5")});
  CHECK(remat::segments_of(inside.lowered(), {}).size() == 2);
  CHECK(same_bits(train(inside), expected));
}

TEST_CASE("an answer that is not about the segment is refused") {
  const auto refused = [](nested answer) { return with_value({checkpoint_at("h", std::move(answer))}).plan(batch); };
  CHECK_THROWS_WITH(refused({{}, 13}), Contains("gives 13 decisions"));
  CHECK_THROWS_WITH(refused({{{0, 13}}}), Contains("the nested segment [0, 13)"));
  CHECK_THROWS_WITH(refused({{{3, 3}}}), Contains("[3, 3)"));
  CHECK_THROWS_WITH(refused({{{0, 12}}}), Contains("[0, 12)"));
  CHECK_THROWS_WITH(refused({{{0, 4}, {2, 6}}}), Contains("[2, 6), which overlaps another"));
  CHECK_THROWS_WITH(refused({{{2, 4}, {2, 4}}}), Contains("overlaps another or is the same"));
}

TEST_CASE("a policy sees bytes, costs and edges") {
  std::vector<operation_view> seen;
  std::vector<std::vector<int>> edges;
  std::vector<segment_context> contexts;
  using block = remat::residual<remat::sequential<nn::linear<16, 16>, nn::layer_norm<16>>>;
  using small = remat::sequential<nn::linear<16, 16>, remat::named<"block", block>, nn::linear<16, 4>, nn::log_softmax>;
  const remat::model<small, remat::tensor<float, 16>, nn::nll_loss> m{
      {.threads = 1, .checkpoints = {checkpoint_at("block", witness{&seen, &edges, &contexts})}}};
  const remat::program& p = m.lowered();
  remat::plan_training(p, {.batch = batch, .bytes = 123});
  REQUIRE(contexts.size() == 1);  // once for a plan
  CHECK((contexts[0].batch == batch && contexts[0].bytes == 123u && contexts[0].in_flight == 1));
  REQUIRE(seen.size() == 3);  // linear, layer norm, add
  CHECK((seen[0].kind == "linear" && seen[1].kind == "layer_norm" && seen[2].kind == "add"));
  CHECK((seen[0].output_bytes == layer_bytes && seen[0].input_bytes == layer_bytes && seen[0].saved_bytes == 0));
  CHECK((seen[1].saved_bytes > 0 && seen[1].saved_bytes < layer_bytes));
  CHECK(seen[2].input_bytes == 2 * layer_bytes);
  const double flops = seen[0].flops;
  CHECK((flops > 0 && seen[0].forward_cost == flops && seen[0].backward_input_cost == flops &&
         seen[0].backward_parameters_cost == flops));
  CHECK(seen[2].backward_parameters_cost == 0);
  CHECK((seen[0].backward_reads_inputs && !seen[0].backward_reads_outputs));
  const int outside = operation_view::outside;
  const std::vector<int> none;
  CHECK(edges[0] == std::vector{outside});
  CHECK(edges[1] == std::vector{1});
  CHECK(edges[2] == std::vector{0});
  CHECK(edges[3] == std::vector{2});
  CHECK(std::ranges::count(edges[4], 1) == 1);
  CHECK(std::ranges::count(edges[4], outside) == 1);
  CHECK(edges[5] == none);
  CHECK((!seen[0].is_read_outside && seen[2].is_read_outside));
  // A model hands on what it was told: costs, at its batch, and bytes.
  remat::operation_costs measured = remat::no_costs(p, 2);
  measured.operations[1].forward = 3;
  seen.clear();
  contexts.clear();
  const remat::model<small, remat::tensor<float, 16>, nn::nll_loss> told{
      {.threads = 1,
       .checkpoints = {checkpoint_at("block", witness{&seen, &edges, &contexts})},
       .costs = measured,
       .activation_bytes = 456}};
  told.plan(6);
  REQUIRE(seen.size() == 3);
  CHECK((seen[0].forward_cost == 9 && seen[1].forward_cost == 0 && contexts[0].bytes == 456u));
  measured.operations.pop_back();
  const auto refused = [&] { remat::model<small, remat::tensor<float, 16>, nn::nll_loss>{{.costs = measured}}; };
  CHECK_THROWS_WITH(refused(), Contains("profile this model"));
  seen.clear();
  // Measured costs, where they are known.
  remat::operation_costs costs = remat::no_costs(p, batch);
  costs.operations[1].forward = 3;
  costs.operations[1].both = 8;
  seen.clear();
  remat::segments_of(p, {.batch = batch, .costs = &costs});
  CHECK((seen[0].forward_cost == 3 && seen[0].backward_input_cost == 4 && seen[0].backward_parameters_cost == 4));
}

// In a constant expression, a value with members is shared by its copies and given back.
static_assert([] {
  remat::checkpoint_setting first{save_what_fits{64}, remat::strategy::groups{3}};
  remat::checkpoint_setting second = first;
  first = remat::setting_of<remat::with<save_what_fits{0}>, remat::strategy::each>;
  const operation_view one{.kind = "linear", .output_bytes = 64};
  return second.policy.choose({&one, 1}, {}).decisions[0] == decision::keep && second.strategy.children() == 3 &&
         first.policy.choose({&one, 1}, {}).decisions[0] == decision::recompute && first.strategy.children() == 1;
}());

}  // namespace policy_with_members_tests
