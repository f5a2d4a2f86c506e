// SPDX-License-Identifier: MIT
/// A profile: how long each operation of a model takes here, forward and backward.
///
///     remat::operation_costs costs = remat::profile(model, 64);
///
/// Several training steps run on random numbers (integers are 0, and masks 1), and of every action the median counts.
/// Parameters, gradients and states are afterwards what they were; what `forward` kept for `backward` is lost. Times
/// depend on the machine, on the model's threads and on what else runs: profile a model where and as it will be
/// trained.
///
/// A plan's time is predicted from it: `predicted_cost(plan, costs)`, for any checkpoints of the same model.
#pragma once

#include <remat/core/parallel.hpp>
#include <remat/plan/predicted_cost.hpp>
#include <remat/run/internals.hpp>
#include <remat/run/network.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace remat {

struct profile_options {
  std::size_t runs = 9;      ///< whose median counts
  std::size_t warm_up = 2;   ///< runs before them
  bool accumulates = false;  ///< as a micro-batch after the first, which adds to the gradients of those before it
};

namespace detail {

/// The seconds of each action, run by run.
class stopwatch : public observer {
 public:
  explicit stopwatch(std::size_t actions) : seconds_(actions) {}

  void before(int) override { begin_ = clock::now(); }
  void after(int action) override {
    seconds_[static_cast<std::size_t>(action)].push_back(std::chrono::duration<double>(clock::now() - begin_).count());
  }
  /// 0 of an action that did not run.
  double median(int action) {
    std::vector<double>& all = seconds_[static_cast<std::size_t>(action)];
    if (all.empty()) return 0;
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    std::nth_element(all.begin(), middle, all.end());
    return *middle;
  }

 private:
  using clock = std::chrono::steady_clock;
  clock::time_point begin_;
  std::vector<std::vector<double>> seconds_;
};

/// A copy of a block of memory, which it puts back in the end.
class restored {
 public:
  explicit restored(std::span<std::byte> block) : block_(block), copy_(block.begin(), block.end()) {}
  ~restored() { std::copy(copy_.begin(), copy_.end(), block_.begin()); }
  restored(const restored&) = delete;
  restored& operator=(const restored&) = delete;

 private:
  std::span<std::byte> block_;
  std::vector<std::byte> copy_;
};

/// Gives the memory of gradients back in the end, where they had none.
class released_gradients {
 public:
  explicit released_gradients(kept_gradients& kept) : kept_(&kept), had_memory_(kept.held_bytes() > 0) {}
  ~released_gradients() {
    if (!had_memory_) kept_->release();
  }
  released_gradients(const released_gradients&) = delete;
  released_gradients& operator=(const released_gradients&) = delete;

 private:
  kept_gradients* kept_;
  bool had_memory_;
};

/// What a training step takes: inputs, targets and, without a loss, the gradients of the outputs.
class random_inputs {
 public:
  random_inputs(const program& p, std::size_t batch) {
    for (int t = 0; t < p.inputs; ++t) add(p.tensors[t], batch, is_mask(p, t) ? 1 : 0);
    if (p.loss == core::none)
      for (const int t : p.outputs) add(p.tensors[t], batch);
  }
  std::span<const tensor_source> sources() const { return sources_; }

 private:
  /// Whether attention alone reads it: with no key, it would have nothing to do.
  static bool is_mask(const program& p, int t) {
    const auto reads = [t](const operation& o) { return std::ranges::find(o.inputs, t) != o.inputs.end(); };
    return std::ranges::any_of(p.operations, reads) &&
           std::ranges::all_of(p.operations, [&](const operation& o) { return !reads(o) || o.kind == "attention"; });
  }
  void add(const tensor_shape& shape, std::size_t batch, std::int32_t number = 0) {
    if (shape.type == element::float32) {
      std::vector<float>& values = floats_.emplace_back(shape.elements(batch));
      for (float& value : values) value = static_cast<float>(random_() % 4096) / 4096;
      sources_.push_back(source_of(values));
    } else {
      sources_.push_back(source_of(integers_.emplace_back(shape.elements(batch), number)));
    }
  }

  std::minstd_rand random_;
  std::vector<std::vector<float>> floats_;  // whose elements stay in place when the outer one grows
  std::vector<std::vector<std::int32_t>> integers_;
  std::vector<tensor_source> sources_;
};

/// Adds what a run took, action by action, to the costs of nothing.
inline void add_times(operation_costs& costs, const plan& made, stopwatch& times) {
  std::array<double, action_kinds> seconds = {}, bytes = {};
  for (int i = 0; i < made.steps.actions.count(); ++i) {
    const action& a = made.steps.actions[i];
    const double median = times.median(i);
    if (a.operation == core::none) {
      seconds[static_cast<std::size_t>(a.kind)] += median;
      bytes[static_cast<std::size_t>(a.kind)] += static_cast<double>(bytes_moved(made, a));
      continue;
    }
    for (const cost_field& field : cost_fields)
      if (field.kind == a.kind) costs.operations[static_cast<std::size_t>(a.operation)].*field.member += median;
  }
  for (const movement& each : movements) {  // what waits for a disk has no cost of its own: its transfers have a rate
    const auto k = static_cast<std::size_t>(each.kind);
    if (bytes[k] > 0) costs.per_byte[k] = seconds[k] / bytes[k];
  }
  // Other checkpoints may copy a gradient where these add one.
  double& copy = costs.per_byte[static_cast<std::size_t>(action_kind::copy_gradient)];
  if (copy == 0) copy = costs.per_byte[static_cast<std::size_t>(action_kind::add_gradient)];
}

}  // namespace detail

/// Times each operation of a model at a (micro-)batch, in seconds.
inline operation_costs profile(network& model, std::size_t batch, const profile_options& options = {}) {
  if (options.runs == 0) throw error("a profile takes the median of at least one run");
  const thread_scope scope = internals::scope_of_call(model);
  const program& p = model.lowered();
  const detail::random_inputs inputs(p, batch);
  if (p.loss == core::none)
    model.predict_on(inputs.sources().first(static_cast<std::size_t>(p.inputs - p.targets)));  // ends a `forward`
  parameter_store& store = internals::store(model);
  const detail::released_gradients memory(store.gradient_memory());
  internals::training(model, batch);
  executor& e = internals::training(model, batch, options.accumulates);
  const plan& made = e.planned();

  std::vector<std::vector<std::byte>> results;
  for (const action& a : made.steps.actions)
    if (a.kind == action_kind::fetch) results.emplace_back(bytes_moved(made, a));
  const std::vector<std::span<std::byte>> places(results.begin(), results.end());

  const detail::restored gradients(store.gradient_block()), states(store.state_block());
  detail::stopwatch times(made.steps.actions.size());
  executor::step step{.seed = model.seed(), .packs = !options.accumulates};
  for (std::size_t run = 0; run < options.warm_up + options.runs; ++run) {
    step.watching = run < options.warm_up ? nullptr : &times;
    e.run(step, inputs.sources(), places);
  }
  operation_costs costs = no_costs(p, batch);
  detail::add_times(costs, made, times);
  return costs;
}

}  // namespace remat
