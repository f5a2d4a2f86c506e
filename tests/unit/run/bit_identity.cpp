// SPDX-License-Identifier: MIT
// Every network under every policy, in one or four micro-batches, on one or two threads, in float32 and in bfloat16:
// loss, every gradient and state, and every parameter after three steps are the same bits as without checkpoints.
//
// The whole is long; each run of the short tests takes a part in which any two of network, policy, micro-batches,
// threads and types meet in all their values.
#include "counted_kernels.hpp"

#include <networks/networks.hpp>
#include <networks/policies.hpp>

#include <remat/train/sgd.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace bit_identity_tests {

using kernel_calls::counted, kernel_calls::counting;
using networks::network, networks::policies;
using remat::action_kind, remat::plan, remat::program;

constexpr std::array<std::size_t, 2> microbatches{1, 4};
constexpr std::array<int, 2> threads{1, 2};
constexpr std::array types{remat::element::float32, remat::element::bfloat16};

/// One of all combinations: indices of the network, the policy, the number of micro-batches, that of threads and the
/// type that is computed with.
using cell = std::array<std::size_t, 5>;

std::vector<cell> all_cells() {
  std::vector<cell> cells;
  for (std::size_t n = 0; n < networks::all().size(); ++n)
    for (std::size_t p = 0; p < policies().size(); ++p)
      for (std::size_t m = 0; m < microbatches.size(); ++m)
        for (std::size_t t = 0; t < threads.size(); ++t)  // a cover takes of 2 threads, which are slow, what it must
          for (std::size_t e = 0; e < types.size(); ++e)  // and of the others, which are turned, of all alike
            cells.push_back({n, p, (m + n + p) % 2, t, (e + n + p / 2) % 2});
  return cells;
}

using pair = std::tuple<std::size_t, std::size_t, std::size_t, std::size_t>;  // of two factors and their values
std::vector<pair> pairs_of(const cell& c) {
  std::vector<pair> pairs;
  for (std::size_t a = 0; a < c.size(); ++a)
    for (std::size_t b = a + 1; b < c.size(); ++b) pairs.emplace_back(a, c[a], b, c[b]);
  return pairs;
}
std::set<pair> pairs_of(const std::vector<cell>& cells) {
  std::set<pair> all;
  for (const cell& c : cells)
    for (const pair& each : pairs_of(c)) all.insert(each);
  return all;
}

/// Cells in which every pair of values meets that meets in all: again and again, the cell that brings most new ones.
std::vector<cell> pairwise_cover(std::vector<cell> cells) {
  std::set<pair> missing = pairs_of(cells);
  std::vector<cell> cover;
  for (std::size_t wanted = 10; wanted > 0; --wanted)
    for (const cell& c : cells) {
      const std::vector<pair> pairs = pairs_of(c);
      const auto fresh = std::ranges::count_if(pairs, [&](const pair& each) { return missing.contains(each); });
      if (static_cast<std::size_t>(fresh) < wanted) continue;
      cover.push_back(c);
      for (const pair& each : pairs) missing.erase(each);
    }
  return cover;
}

/// What must be the same bits, and what a step keeps between forward and backward.
struct trace {
  std::vector<std::uint32_t> losses = {};
  std::vector<std::byte> gradients = {}, parameters = {}, states = {};
  std::size_t kept_bytes = 0;
};

void check_same(const trace& found, const trace& expected) {
  CHECK(found.losses == expected.losses);
  CHECK((found.gradients == expected.gradients));    // bytes
  CHECK((found.parameters == expected.parameters));  // bytes
  CHECK((found.states == expected.states));          // bytes
}

/// Whether a plan must compute something again: in a segment that it checks, backward reads a tensor that is made
/// there, that nothing after the segment reads, and that the policy does not keep.
bool must_recompute(const program& p, const plan& made) {
  std::vector<int> last_read(p.tensors.size(), 0);
  for (int i = 0; i < p.operations.count(); ++i)
    for (int t : p.operations[i].inputs) last_read[static_cast<std::size_t>(t)] = i;
  for (int t : p.outputs) last_read[static_cast<std::size_t>(t)] = p.operations.count();
  const remat::core::list<remat::backward_need> needs = remat::detail::backward_needs(p);
  for (int k = 0; k < made.segments.count(); ++k) {
    if (made.segment_plans[k].is_plain) continue;
    const remat::segment& s = made.segments[k];
    bool drops = false;
    for (int i = s.first; i < s.last; ++i)
      remat::detail::each_read(p.operations[i], needs[i], [&](int t) {
        const int producer = p.producers[t];
        drops = drops || (producer >= s.first && last_read[static_cast<std::size_t>(t)] < s.last && !s.keeps(producer));
      });
    if (drops) return true;
  }
  return false;
}

/// The executors of the first micro-batch and of each other one, and how often they run in a step.
template <class F>
void each_executor(remat::network& model, std::size_t micro, std::size_t parts, const F& f) {
  f(remat::internals::training(model, micro), 1u);
  if (parts > 1) f(remat::internals::training(model, micro, true), parts - 1);
}

/// How often a plan runs a kind of action on operations of the model's modules: those that round are not counted.
std::size_t count_of_modules(const remat::network& model, const plan& made, action_kind kind) {
  std::size_t found = 0;
  for (const remat::action& a : made.steps.actions)
    if (a.kind == kind && model.lowered().operations[a.operation].kind != remat::nn::rounded::kind) ++found;
  return found;
}

/// What a run executes of a kind: what is packed once for all micro-batches is the first one's.
std::size_t planned_executions(const remat::executor& e, action_kind kind) {
  std::size_t found = count(e.planned(), kind);
  for (int i = 0; i < e.planned().steps.actions.count(); ++i)
    if (kind == action_kind::pack && e.accumulates() && e.kernels().at(i).is_for_step) --found;
  return found;
}

kernel_calls::counts planned_calls(remat::network& model, std::size_t micro, std::size_t parts) {
  kernel_calls::counts sum;
  each_executor(model, micro, parts, [&](const remat::executor& e, std::size_t runs) {
    const plan& p = e.planned();
    sum.pack += runs * planned_executions(e, action_kind::pack);
    sum.forward +=
        runs * (count_of_modules(model, p, action_kind::forward) + count_of_modules(model, p, action_kind::recompute));
    sum.update_state += runs * count_of_modules(model, p, action_kind::update_state);
    sum.backward_input += runs * count_of_modules(model, p, action_kind::backward_input);
    sum.backward_parameters += runs * count_of_modules(model, p, action_kind::backward_parameters);
    sum.backward += runs * count_of_modules(model, p, action_kind::backward);
  });
  return sum;
}

/// A trained parameter of which no step has made a gradient, or a frozen one with a gradient, is a defect of the
/// network: nothing would be compared.
void check_gradients_are_there(const network& n, remat::network& model) {
  for (const remat::parameter_view& p : model.parameters()) {
    INFO(p.name);
    CHECK(p.gradient.empty() == (std::ranges::find(n.not_trained, p.name) != n.not_trained.end()));
    if (std::ranges::find(n.without_gradient, p.name) != n.without_gradient.end()) continue;
    CHECK((p.gradient.empty() || std::ranges::any_of(p.gradient, [](float g) { return g != 0; })));
    CHECK(std::ranges::all_of(p.gradient, [](float g) { return g - g == 0; }));
  }
}

/// Three steps of momentum SGD. Checks on the way that exactly the planned kernels ran.
trace train(const network& n, remat::network& model, std::size_t parts) {
  trace t;
  remat::sgd optimizer{{.learning_rate = 0.02f, .momentum = 0.9f}};
  for (std::uint64_t step = 0; step < 3; ++step) {
    const auto data = random_batch(n, model.lowered(), n.microbatch * parts, step);
    counted = {};
    t.losses.push_back(std::bit_cast<std::uint32_t>(train_step(model, data)));
    CHECK(counted == planned_calls(model, n.microbatch, parts));
    optimizer.step(model);
  }
  each_executor(model, n.microbatch, parts, [](const remat::executor& e, std::size_t) {
    for (std::size_t kind = 0; kind < remat::action_kinds; ++kind)
      CHECK(e.executed(static_cast<action_kind>(kind)) == planned_executions(e, static_cast<action_kind>(kind)));
  });
  const plan& made = remat::internals::training(model, n.microbatch).planned();
  CHECK((count(made, action_kind::recompute) > 0) == must_recompute(model.lowered(), made));
  t.kept_bytes = kept_bytes(made);
  const auto copy = [](std::span<const std::byte> from) { return std::vector<std::byte>(from.begin(), from.end()); };
  t.gradients = copy(remat::internals::store(model).gradient_block());
  t.parameters = copy(remat::internals::store(model).value_block());
  t.states = copy(remat::internals::store(model).state_block());
  return t;
}

trace train(const network& n, program p, const remat::checkpoints& checkpoints, std::size_t parts, int cores,
            remat::element compute = remat::element::float32) {
  remat::network model =
      make(n, counting(std::move(p)),
           {.seed = 3, .threads = cores, .checkpoints = checkpoints, .compute = compute, .microbatches = parts});
  const trace t = train(n, model, parts);
  if (checkpoints.replace_tags() && checkpoints.size() == 0) check_gradients_are_there(n, model);
  return t;
}

void run(const std::vector<cell>& cells, std::size_t with_threads) {
  std::map<std::tuple<std::size_t, std::size_t, std::size_t>, trace> expected;
  for (const auto& [at_network, at_policy, at_parts, at_threads, at_type] : cells) {
    if (at_threads != with_threads) continue;
    const network& n = networks::all()[at_network];
    const networks::policy& policy = policies()[at_policy];
    const std::size_t parts = microbatches[at_parts];
    const int cores = threads[at_threads];
    INFO(n.name << ", " << policy.name << ", " << parts << " micro-batches, " << cores << " threads, "
                << name_of(types[at_type]));
    trace& plain = expected[{at_network, at_parts, at_type}];
    if (plain.losses.empty()) plain = train(n, n.lower(), remat::checkpoints::none(), parts, cores, types[at_type]);
    const trace found = train(n, n.lower(), policy.checkpoints(n, n.lower()), parts, cores, types[at_type]);
    check_same(found, plain);
    CHECK(found.kept_bytes <= plain.kept_bytes);
  }
}

TEST_CASE("every policy gives the same bits: any two of network, policy, micro-batches, threads, type; 1 thread",
          "[once]") {
  run(pairwise_cover(all_cells()), 0);
}
TEST_CASE("every policy gives the same bits: any two of network, policy, micro-batches, threads, type; 2 threads",
          "[serial]") {
  run(pairwise_cover(all_cells()), 1);
}
TEST_CASE("every policy gives the same bits on every network, in 1 and 4 micro-batches, on 1 thread", "[long]") {
  run(all_cells(), 0);
}
TEST_CASE("every policy gives the same bits on every network, in 1 and 4 micro-batches, on 2 threads",
          "[long][serial]") {
  run(all_cells(), 1);
}

TEST_CASE("in the short part, any two of network, policy, micro-batches, threads and types meet") {
  const std::vector<cell> all = all_cells(), cover = pairwise_cover(all);
  CHECK(pairs_of(cover) == pairs_of(all));
  CHECK(cover.size() < all.size() * 2 / 5);
}

TEST_CASE("every policy recomputes somewhere, and every network under several of them") {
  std::map<std::string_view, int> of_network, of_policy;
  for (const network& n : networks::all())
    for (const networks::policy& policy : policies()) {
      program p = n.lower();
      remat::annotate(p, policy.checkpoints(n, p));
      if (count(remat::plan_training(remat::fuse(std::move(p)), n.microbatch), action_kind::recompute) == 0) continue;
      ++of_network[n.name];
      ++of_policy[policy.name];
    }
  for (const network& n : networks::all()) {
    INFO(n.name);
    CHECK(of_network[n.name] >= 4);
  }
  for (const networks::policy& policy : policies()) {
    INFO(policy.name);
    CHECK((of_policy[policy.name] == 0) == policy.keeps_all);
    if (!policy.keeps_all) CHECK(of_policy[policy.name] >= 4);
  }
}

TEST_CASE("a tag and its value are the same plan and the same bits") {
  int recompute = 0;
  for (const network& n : networks::all())
    for (const networks::tagged& type : n.as_types)
      for (std::size_t parts : microbatches) {
        INFO(n.name << ", " << type.name << ", " << parts << " micro-batches");
        const remat::model_options by_tag{.seed = 3, .threads = 1, .microbatches = parts};
        remat::model_options by_value = by_tag;
        by_value.checkpoints = type.checkpoints;
        remat::network tagged = make(n, type.lower(), by_tag), valued = make(n, n.lower(), by_value);
        const remat::plan_report a = tagged.plan(n.microbatch), b = valued.plan(n.microbatch);
        CHECK(a.activation_bytes == b.activation_bytes);
        CHECK(a.kept_bytes == b.kept_bytes);
        CHECK(a.recomputed == b.recomputed);
        if (a.recompute > 0 && parts == 1) ++recompute;
        check_same(train(n, type.lower(), {}, parts, 1), train(n, n.lower(), type.checkpoints, parts, 1));
      }
  CHECK(recompute >= 6);
}

}  // namespace bit_identity_tests
