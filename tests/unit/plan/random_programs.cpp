// SPDX-License-Identifier: MIT
// Random programs, built as values: their plans are sound, and run with kernels that hash what they read, they give the
// bits of the plan without checkpoints.
#include <remat/check/plan_checker.hpp>
#include <remat/plan/plan.hpp>
#include <remat/run/arena.hpp>
#include <remat/run/executor.hpp>

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "exact_placement.hpp"
#include "random_programs.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <vector>

namespace random_programs_tests {

using remat::action, remat::action_kind, remat::buffer, remat::plan;

using namespace random_programs;

/// Every read finds its buffer defined and alive, no two allocations that live at once overlap, nothing is recomputed
/// that nobody reads.
void check_soundness(const plan& made) {
  const auto& buffers = made.steps.buffers;
  std::vector<bool> is_read(buffers.size());
  for (int now = 0; now < made.steps.actions.count(); ++now) {
    const action& a = made.steps.actions[now];
    const bool computes = a.kind == action_kind::forward || a.kind == action_kind::recompute;
    const auto read = [&](int b) {
      if (b == none) return;
      RC_ASSERT(buffers[b].first < now || a.kind == action_kind::differentiate);
      RC_ASSERT(buffers[buffers[b].allocation].last >= now);
      RC_ASSERT(buffers[b].last >= now);
      is_read[static_cast<std::size_t>(b)] = true;
    };
    for (int b : a.inputs) read(b);
    if (!computes && a.kind != action_kind::load && a.kind != action_kind::seed) {
      for (int b : a.outputs) read(b);
      for (int b : a.saved) read(b);
    }
    for (int b : a.output_gradients) read(b);
    if (!made.steps.parameter_gradients.empty() && (a.kind == action_kind::sum_places || a.kind == action_kind::update))
      read(made.steps.parameter_gradients[a.parameter]);
  }
  for (int now = 0; now < made.steps.actions.count(); ++now) {
    const action& a = made.steps.actions[now];
    if (a.kind != action_kind::recompute) continue;
    bool somebody_reads = false;
    for (int b : a.outputs) somebody_reads = somebody_reads || is_read[static_cast<std::size_t>(b)];
    for (int b : a.saved) somebody_reads = somebody_reads || is_read[static_cast<std::size_t>(b)];
    RC_ASSERT(somebody_reads);
  }
  for (int i = 0; i < buffers.count(); ++i)
    for (int k = 0; k < i; ++k) {
      const buffer &a = buffers[i], &b = buffers[k];
      if (a.allocation != i || b.allocation != k || a.last < b.first || b.last < a.first || a.region != b.region)
        continue;
      RC_ASSERT(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset);
    }
  RC_ASSERT(made.activation_bytes >= made.live_bytes);
}

/// The gradients that a step gives, by the slot that owns the parameter.
struct received : remat::gradient_receiver {
  std::map<int, std::vector<float>> found;

  void final_gradient(int owner, std::span<const float> gradient) override {
    RC_ASSERT(found.emplace(owner, std::vector<float>(gradient.begin(), gradient.end())).second);
  }
};

/// Every parameter is updated once, after everything that uses it.
void check_updates(const program& p, const plan& made) {
  std::vector<bool> is_updated(p.parameters.size());
  for (const action& a : made.steps.actions) {
    if (a.kind == action_kind::update) is_updated[static_cast<std::size_t>(a.parameter)] = true;
    if (a.operation == none) continue;
    const operation& o = p.operations[a.operation];
    for (int k = 0; k < o.parameters; ++k)
      RC_ASSERT(!is_updated[static_cast<std::size_t>(p.parameters[o.first_parameter + k].owner)]);
  }
  for (int slot = 0; slot < p.parameters.count(); ++slot)
    RC_ASSERT(is_updated[static_cast<std::size_t>(slot)] == (p.parameters[slot].owner == slot));
}

/// Lets some parameters be those of operations before.
void share_parameters(program& p) {
  for (int slot = 1; slot < p.parameters.count(); ++slot) {
    const int owner = p.parameters[pick(0, slot)].owner;
    if (!chance(30)) continue;
    p.parameters[slot].owner = owner;
    p.parameters[slot].declared = p.parameters[owner].declared;
  }
}

std::vector<std::byte> run(const program& p, const plan& made) {
  remat::parameter_store store(p, 1);
  remat::executor e(p, made, store);
  remat::arena arena;
  arena.reserve(e.needed());
  arena.bind(e);
  std::vector<std::vector<float>> inputs;
  std::vector<remat::tensor_source> sources;
  for (int i = 0; i < p.inputs; ++i) {
    inputs.emplace_back(p.tensors[i].elements(made.batch), static_cast<float>(i) + 0.5f);
    sources.push_back(remat::source_of(inputs.back()));
  }
  float loss = 0;
  const std::span<std::byte> result = std::as_writable_bytes(std::span(&loss, 1));
  received finals;
  e.run({.seed = 7, .number = 3, .updates = &finals}, sources, std::span(&result, 1));
  if (made.updates == remat::updating::after_step) store.sum_shared();
  for (auto kind :
       {action_kind::forward, action_kind::recompute, action_kind::backward_input, action_kind::backward_parameters})
    RC_ASSERT(e.executed(kind) == remat::count(made, kind));
  std::vector<std::byte> bytes(sizeof loss);
  std::memcpy(bytes.data(), &loss, sizeof loss);
  for (std::size_t i = 0; i < store.views().size(); ++i) {
    const auto updated = finals.found.find(static_cast<int>(store.slots()[i]));
    const auto gradient = std::as_bytes(updated != finals.found.end() ? std::span<const float>(updated->second)
                                                                      : store.views()[i].gradient.values());
    bytes.insert(bytes.end(), gradient.begin(), gradient.end());
  }
  if (made.updates == remat::updating::from_arena) RC_ASSERT(store.gradient_memory().held_bytes() == 0u);
  return bytes;
}

/// What placement made of a program.
struct placed {
  std::size_t region = 0, live = 0;
  remat::core::list<remat::detail::allocation> allocations;

  double ratio() const { return static_cast<double>(region) / static_cast<double>(std::max<std::size_t>(1, live)); }
};

/// A line for each placement over 1.1, and for the worst three, next to the optimum for its size.
std::string beside_the_optimum(const std::vector<placed>& placements) {
  std::ostringstream lines;
  for (std::size_t i = 0; i < placements.size(); ++i) {
    const placed& p = placements[i];
    if (p.region == p.live || (p.ratio() <= 1.1 && i >= 3)) break;
    const exact_placement exact = exact_placement_search(p.allocations).run(p.region, 200'000);
    lines << "\n  " << p.allocations.size() << " allocations, live maximum " << p.live << ": " << p.region << " ("
          << p.ratio() << "), ";
    if (exact.at_least == exact.at_most)
      lines << "the optimum is " << exact.at_most;
    else
      lines << "the optimum is " << exact.at_least << " to " << exact.at_most;
  }
  return lines.str();
}

void check_programs(int programs, int largest) {
  std::vector<placed> placements;
  std::size_t recomputed = 0;
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = programs;
  const auto result = rc::detail::checkTestable(
      [&] {
        random_program random = make_program(pick(2, largest));
        share_parameters(random.value);
        program plain = random.value;
        add_checkpoints(random.value);
        const std::size_t batch = static_cast<std::size_t>(pick(1, 4));
        const plan saved = remat::plan_training(plain, batch), checked = remat::plan_training(random.value, batch);
        check_soundness(saved);
        check_soundness(checked);
        RC_ASSERT(remat::check_plan(plain, saved).fault == "");
        RC_ASSERT(remat::check_plan(random.value, checked).fault == "");
        RC_ASSERT(remat::kept_bytes(checked) <= remat::kept_bytes(saved));
        RC_ASSERT(remat::count(saved, action_kind::recompute) == 0u);
        const std::vector<std::byte> expected = run(plain, saved);
        RC_ASSERT(run(random.value, checked) == expected);
        for (const auto how : {remat::updating::from_block, remat::updating::from_arena}) {
          const plan updating = remat::plan_training(random.value, {.batch = batch, .updates = how});
          check_soundness(updating);
          RC_ASSERT(remat::check_plan(random.value, updating).fault == "");
          check_updates(random.value, updating);
          RC_ASSERT(updating.activation_bytes == checked.activation_bytes);
          RC_ASSERT(run(random.value, updating) == expected);
        }
        placements.push_back(
            {checked.activation_bytes, checked.live_bytes, remat::detail::allocations_of(checked.steps, 0)});
        recomputed += remat::count(checked, action_kind::recompute);
      },
      rc::detail::TestMetadata(), params);
  INFO(result);
  REQUIRE(result.template is<rc::detail::SuccessResult>());
  std::ranges::sort(placements, std::greater(), &placed::ratio);
  const double percentile = placements[placements.size() / 100].ratio();
  WARN(placements.size() << " programs, " << recomputed << " recomputations; arena / live maximum: 99th percentile "
                         << percentile << ", largest " << placements.front().ratio() << beside_the_optimum(placements));
  CHECK(percentile <= 1.05);
  CHECK(recomputed > placements.size() / 4);
}

TEST_CASE("plans of random programs are sound and bit-exact") { check_programs(300, 30); }
TEST_CASE("plans of longer random programs are sound and bit-exact", "[long]") { check_programs(2'000, 120); }

}  // namespace random_programs_tests
