// SPDX-License-Identifier: MIT
/// Random chains as programs of values: every operation reads what the one before it makes and, where they have skips,
/// now and then something older. Sizes are multiples of the alignment.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/budget.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/training_planner.hpp>

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

namespace random_chains {

using remat::core::none, remat::operation, remat::program;

/// What planning has rules of its own for.
enum class peculiarity {
  nothing,
  in_place,
  in_place_with_states,
  overwrites_input,
  skips_outputs,
  as_batch_norm,  ///< in place, over its input backward, and without an output where its saved tensors are wanted
  late_inputs,    ///< one or two more of the program, read somewhere in the middle
  all
};

class maker {
 public:
  explicit maker(unsigned seed) : random_(seed) {}

  int pick(int low, int high) { return low + static_cast<int>(random_() % static_cast<unsigned>(high - low)); }
  bool chance(int percent) { return pick(0, 100) < percent; }

  /// This many operations under the budget, and a loss after them.
  program chain(int operations, bool has_skips, remat::checkpoint_setting setting = {remat::budget{}},
                peculiarity some = peculiarity::nothing) {
    program p;
    p.inputs = 1;
    p.add_tensor(shape(), none);
    const bool has_late_inputs = is_any(some, peculiarity::late_inputs);
    if (has_late_inputs) p.inputs = 1 + pick(1, 3);
    for (int t = 1; t < p.inputs; ++t) p.add_tensor(shape(), none);
    std::vector<int> made{0};
    for (int i = 0; i <= operations; ++i) {
      operation o;
      o.kind = "link";
      o.flops = pick(1, 10);
      o.inputs.push_back(made.back());
      if (has_skips && made.size() > 1 && chance(35)) {
        const int older = made[static_cast<std::size_t>(pick(0, static_cast<int>(made.size()) - 1))];
        if (older != o.inputs[0]) o.inputs.push_back(older);
      }
      for (int t = 1; t < p.inputs; ++t)
        if (chance(40)) o.inputs.push_back(t);
      o.outputs.push_back(p.add_tensor(i == operations ? scalar() : shape(), i));
      made.push_back(o.outputs[0]);
      if (chance(40)) o.saved.push_back(p.add_tensor(shape(), i));
      o.backward_input_reads = reads();
      if (i == 0 || chance(60)) {
        o.backward_parameters_reads = reads();
        o.parameters = 1;
        o.first_parameter = p.parameters.count();
        p.parameters.push_back({remat::parameter("w", {1}, remat::initial::constant(0)), i, o.first_parameter});
      }
      o.has_joint_backward = chance(20);
      if (i < operations && some != peculiarity::nothing) make_peculiar(p, o, some);
      o.node = i == operations ? 1 : 0;
      p.operations.push_back(o);
    }
    p.loss = p.operations.back().outputs[0];
    remat::module_node body, loss;
    body.parent = loss.parent = none;
    body.kind = loss.kind = "chain";
    body.last = operations;
    body.end = 1;
    body.checkpoints.push_back(setting);
    loss.position = 1;
    loss.first = operations;
    loss.last = operations + 1;
    loss.end = 2;
    p.nodes.push_back(body);
    p.nodes.push_back(loss);
    return p;
  }

 private:
  static bool is_any(peculiarity some, peculiarity one) { return some == one || some == peculiarity::all; }
  void make_peculiar(program& p, operation& o, peculiarity some) {
    const auto has = [&](peculiarity one) { return is_any(some, one) && chance(50); };
    if (chance(60)) p.tensors[o.outputs[0]] = p.tensors[o.inputs[0]];
    const bool is_same_size = p.tensors[o.outputs[0]] == p.tensors[o.inputs[0]];
    if (has(peculiarity::in_place)) o.is.in_place = is_same_size;
    if (has(peculiarity::in_place_with_states)) {
      o.is.in_place = is_same_size;
      o.updates_state = chance(70);
    }
    if (has(peculiarity::overwrites_input)) o.is.overwrites_input = true;
    if (has(peculiarity::skips_outputs)) o.is.skips_outputs = true;
    if (has(peculiarity::as_batch_norm) && is_same_size) {
      o.is.in_place = o.is.overwrites_input = o.is.skips_outputs = true;
      o.backward_input_reads = remat::reads{0xff, 0, static_cast<std::uint8_t>(o.saved.size > 0 ? 0xff : 0)};
    }
  }

  remat::tensor_shape shape() {
    return {remat::element::float32, true, 1, {static_cast<std::size_t>(pick(1, 5)) * remat::alignment / 4}};
  }
  static remat::tensor_shape scalar() { return {remat::element::float32, true, 1, {remat::alignment / 4}}; }
  remat::reads reads() {
    const auto bits = [this](int percent) { return static_cast<std::uint8_t>(chance(percent) ? 0xff : 0); };
    return {bits(45), bits(35), bits(70)};
  }

  std::mt19937 random_;
};

using ranges = std::vector<remat::chosen_range>;

/// What the backward pass of the operations [first, last) reads of what they make and what is read after them, too,
/// where its operation is not computed again for something else.
inline remat::core::list<int> staying(const program& p, int first, int last) {
  const auto needs = remat::detail::backward_needs(p);
  const auto leaves = [&](int t) {
    for (int i = last; i < p.operations.count(); ++i)
      if (std::ranges::find(p.operations[i].inputs, t) != p.operations[i].inputs.end()) return true;
    return false;
  };
  std::vector<bool> wanted(p.tensors.size()), met(p.tensors.size()), runs(p.operations.size());
  const auto read = [&](int t) {
    if (p.producers[t] < first) return;
    (leaves(t) ? met : wanted)[static_cast<std::size_t>(t)] = true;
  };
  for (int i = last; i-- > first;) {
    const operation& o = p.operations[i];
    remat::detail::each_read(o, needs[i], read);
    for (const auto* some : {&o.outputs, &o.saved})
      for (int t : *some)
        runs[static_cast<std::size_t>(i)] = runs[static_cast<std::size_t>(i)] || wanted[static_cast<std::size_t>(t)];
    if (runs[static_cast<std::size_t>(i)])
      for (int t : o.inputs) read(t);
  }
  remat::core::list<int> found;
  for (int t = 0; t < p.tensors.count(); ++t)
    if (met[static_cast<std::size_t>(t)] && !runs[static_cast<std::size_t>(p.producers[t])]) found.push_back(t);
  return found;
}

/// Every way to cut the operations [first, last) into segments, which nest, in a segment for which these tensors stay;
/// `is_all` allows one of all of them.
inline void each_tree(const program& p, int first, int last, bool is_all, const remat::core::list<int>& around,
                      std::vector<ranges>& found) {
  if (first == last) {
    found.push_back({});
    return;
  }
  each_tree(p, first + 1, last, is_all, around, found);
  for (int end = first + 1; end < last + (is_all ? 1 : 0); ++end) {
    const remat::core::list<int> all_staying = staying(p, first, end);
    for (const bool stays : {false, true}) {
      if (stays && all_staying.empty()) continue;
      bool is_allowed = true;
      for (int t : around) is_allowed = is_allowed && (stays || p.producers[t] < first || p.producers[t] >= end);
      if (!is_allowed) continue;
      const remat::core::list<int> mine = stays ? all_staying : remat::core::list<int>();
      std::vector<ranges> inside, after;
      each_tree(p, first, end, false, mine, inside);
      each_tree(p, end, last, is_all, around, after);
      for (const ranges& in : inside)
        for (const ranges& then : after) {
          ranges all{{first, end, mine}};
          all.insert(all.end(), in.begin(), in.end());
          all.insert(all.end(), then.begin(), then.end());
          found.push_back(std::move(all));
        }
    }
  }
}

}  // namespace random_chains
