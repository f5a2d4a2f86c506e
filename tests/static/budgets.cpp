// SPDX-License-Identifier: MIT
// A budget's choice among schedules is a constant expression: 12 links of unequal sizes and costs, 64 levels of memory,
// within the default limits of both compilers.
#include <remat/plan/budget_choices.hpp>
#include <remat/plan/training_planner.hpp>

namespace {

constexpr int links = 12, levels = 64;

/// Links whose backward passes read their inputs or outputs, and a loss after them.
constexpr remat::program unequal_chain() {
  unsigned state = 1;
  const auto pick = [&](unsigned low, unsigned high) {
    state = state * 1'664'525u + 1'013'904'223u;
    return low + (state >> 16) % (high - low + 1);
  };
  const auto shape = [&] { return remat::tensor_shape{remat::element::float32, true, 1, {16 * pick(1, 8)}}; };
  remat::program p;
  p.inputs = 1;
  p.add_tensor(shape(), remat::core::none);
  for (int i = 0; i <= links; ++i) {
    remat::operation o;
    o.kind = "link";
    o.flops = pick(1, 10);
    o.inputs.push_back(p.tensors.count() - 1);
    o.outputs.push_back(p.add_tensor(shape(), i));
    o.backward_input_reads = pick(0, 1) == 0 ? remat::reads::inputs : remat::reads::outputs;
    o.parameters = i == 0 ? 1 : 0;
    o.node = i < links ? 0 : 1;
    p.operations.push_back(o);
  }
  p.parameters.push_back({remat::parameter("w", {1}, remat::initial::constant(0)), 0, 0});
  p.loss = p.operations.back().outputs[0];
  remat::module_node body, loss;
  body.kind = loss.kind = "chain";
  body.last = loss.first = links;
  body.end = loss.position = 1;
  loss.last = links + 1;
  loss.end = 2;
  body.checkpoints.push_back({remat::budget<1>{}});
  p.nodes.push_back(body);
  p.nodes.push_back(loss);
  return p;
}

struct choices {
  int least = 0, segments = 0;
  double at_least = 0, at_half = 0, at_most = 0;
  bool never_rises = true, costs_what_it_says = false;
};
constexpr choices solved() {
  const remat::program p = unequal_chain();
  const remat::plan_request request{.batch = 1};
  const remat::detail::training_planner planner(p, request);
  std::size_t bytes = 0;
  for (const remat::tensor_shape& each : p.tensors) bytes += each.bytes(1);
  remat::detail::budget_problems problems(p, request, planner.covered(), planner.ports(), planner.needs(),
                                          {bytes / levels, levels}, remat::detail::rounding::even);
  choices made{.least = problems.least()};
  made.at_least = problems.again(made.least);
  made.at_half = problems.again(levels / 2);
  made.at_most = problems.again(levels);
  for (int quanta = made.least; quanta < levels; ++quanta)
    made.never_rises = made.never_rises && problems.again(quanta + 1) <= problems.again(quanta);
  const remat::budget_choice found = problems.choice(made.least);
  made.segments = found.ranges.count();
  made.costs_what_it_says = found.again == made.at_least;
  return made;
}
constexpr choices found = solved();
static_assert(found.least > 0 && found.least < levels / 2);
static_assert(found.segments > 1);
static_assert(found.at_least > found.at_half);
static_assert(found.at_half > 0);
static_assert(found.at_most == 0);
static_assert(found.never_rises);
static_assert(found.costs_what_it_says);

}  // namespace
