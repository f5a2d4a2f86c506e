// SPDX-License-Identifier: MIT
/// An optimizer: a rule that updates each parameter from its gradient, with options for groups of parameters.
///
///     remat::adamw optimizer{{.learning_rate = 3e-4f, .weight_decay = 0.05f}};
///     optimizer.group(remat::is_bias_or_norm, {.weight_decay = 0});
///     optimizer.group("head", {.learning_rate = 1e-3f});
///     optimizer.step(model);                         // after a train_step; or both at once:
///     model.train_step(images, labels, optimizer);
///
/// A parameter belongs to the last group whose pattern matches it, and to the optimizer itself where none does. What a
/// group does not say it takes from the optimizer's own options. Frozen parameters, which have no gradient, are
/// skipped, as PyTorch skips those whose `grad` is None: one that is trained later (by another model on the same
/// parameters) begins with its own first step.
///
/// A step needs gradients: it is refused before the first `train_step` or `backward`, and after one that was refused or
/// failed, until one succeeds. Stepping twice on the same gradients is accepted.
///
/// A rule is a type with (see sgd.hpp)
///
///     name                                         as errors call it
///     options, group_options                       numbers, and the same as optional ones; both have a learning_rate
///     changed(options, group_options) -> options   what a group makes of the optimizer's options
///     complaint(options) -> const char*            what is wrong with them and what is accepted; null if nothing
///     row_names, needs_rows(options)               rows of numbers kept for a parameter, one for each element: what they
///                                                  are called, in an array, and how many are needed under these options
///     may_begin_late                               optional; true: rows may begin after steps without them
///     factors_of(options, step)                    what the arithmetic needs at the step of a parameter, from 1
///     numbers_of(factors)                          the same as an array of double, which ranks compare
///     update(factors, w, gradient, state, is_first, begin, end)
#pragma once

#include <remat/core/compilation.hpp>
#include <remat/core/error.hpp>
#include <remat/core/is_at_least_0.hpp>
#include <remat/core/parallel.hpp>
#include <remat/core/presence.hpp>
#include <remat/run/parameter_updater.hpp>
#include <remat/run/trainable.hpp>
#include <remat/train/optimizer_state.hpp>
#include <remat/train/option_groups.hpp>
#include <remat/train/parameter_groups.hpp>
#include <remat/train/parameter_pattern.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace remat {

inline namespace REMAT_COMPILATION {

template <class Rule>
class optimizer : public parameter_updater {
 public:
  using options = typename Rule::options;
  using group_options = typename Rule::group_options;

  optimizer() : optimizer(options{}) {}
  explicit optimizer(const options& o) : groups_(o) {}
  optimizer(const optimizer&) = default;
  optimizer(optimizer&&) = default;
  optimizer& operator=(const optimizer&) = default;
  /// Onto itself, it stays what it is. One that was moved from refuses whatever it is asked.
  optimizer& operator=(optimizer&& other) noexcept {
    if (this == &other) return *this;
    presence_ = std::move(other.presence_);
    groups_ = std::move(other.groups_);
    group_of_ = std::move(other.group_of_);
    group_numbers_ = std::move(other.group_numbers_);
    elsewhere_ = std::move(other.elsewhere_);
    numbers_ = std::move(other.numbers_);
    assigned_to_ = other.assigned_to_;
    assigned_ = other.assigned_;
    in_step_ = std::move(other.in_step_);
    compared_ = std::move(other.compared_);
    is_updated_ = std::move(other.is_updated_);
    has_state_ = other.has_state_;
    state_ = std::move(other.state_);
    steps_ = other.steps_;
    return *this;
  }

  /// Other options for the parameters that match. A pattern that gets none is an `error` of the next step.
  optimizer& group(parameter_pattern which, const group_options& changes) {
    presence_.require(object);
    groups_.add(std::move(which), changes);
    return *this;
  }

  /// Updates every parameter from its gradient, at its learning rate times `learning_rate_factor` (learning_rate.hpp
  /// has schedules). State is allocated at the first step. Throws `error` before anything changes.
  void step(trainable& model, double learning_rate_factor = 1) override {
    prepare(model, learning_rate_factor, true);
    const thread_scope scope(model.threads());
    finish(model);
  }

  void begin(trainable& model, double learning_rate_factor) override { prepare(model, learning_rate_factor, false); }

  /// The elements of parameter `i` that are updated here, if any. It allocates nothing but the state in the first step,
  /// and runs on the threads of the scope around it.
  void update(trainable& model, std::size_t i, const float* of_whole) override {
    take_state(model);
    is_updated_[i] = true;
    const std::size_t n = numbers_[i];
    const group_in_step& group = in_step_[group_of_[n]];
    if (const auto [first, last] = model.updated_here(i); first < last) {
      const std::uint64_t taken = state_.steps(n);  // fewer than the optimizer's where it was frozen in some
      const typename Rule::factors f = taken == steps_ ? group.factors : Rule::factors_of(group.rated, taken + 1);
      std::array<float*, Rule::row_names.size()> state{};
      for (std::size_t r = 0; r < group.rows; ++r) state[r] = state_.row(n, r);
      const bool is_first = state_.is_new(n);
      float* const values = model.parameters()[i].values.data() + first;
      const float* const gradient = of_whole + first;
      parallel_for(last - first, 16384, [&](std::size_t begin, std::size_t end) {
        Rule::update(f, values, gradient, state, is_first, begin, end);
      });
    }
    state_.settle(n);
  }

  void finish(trainable& model) override {
    take_state(model);  // where nothing is trained here
    for (std::size_t i = 0; i < is_updated_.size(); ++i)
      if (!is_updated_[i] && model.is_trained(i)) update(model, i, model.parameters()[i].gradient.data());
    for (const std::size_t n : elsewhere_) state_.settle(n);
    ++steps_;
    model.after_update();
  }

  /// Steps taken, which is the number of the next one: `optimizer.step(model, schedule(optimizer.steps()))`.
  std::size_t steps() const {
    presence_.require(object);
    return static_cast<std::size_t>(steps_);
  }
  /// Adds what it remembers of a model to the list of the model's tensors, which `trainable::tensors` makes: its steps
  /// and, for each parameter, how often it was updated and its rows, under names that begin with `prefix`.
  void add_tensors(tensor_list& all, const trainable& model, const std::string& prefix) override {
    presence_.require(object);
    state_.attach(model);
    all.add_counter(prefix + "/steps", steps_);
    state_.add_tensors(all, prefix, Rule::row_names, requires { requires Rule::may_begin_late; });
  }
  /// Of the numbers that it keeps in this process.
  std::size_t bytes() const override {
    presence_.require(object);
    return state_.bytes();
  }
  std::size_t bytes_for(const trainable& model) override {
    presence_.require(object);
    state_.attach(model);
    assign(model);
    std::size_t sum = 0;
    for (std::size_t i = 0; i < model.parameters().size(); ++i) {
      const std::size_t group = group_of_[state_.find(model.parameters()[i].name, i)];
      const auto [first, last] = model.updated_here(i);
      if (model.is_trained(i)) sum += (last - first) * sizeof(float) * Rule::needs_rows(groups_.of(group));
    }
    return sum > state_.bytes() ? sum : state_.bytes();
  }

  /// May be changed at any time; the next step checks them.
  options& settings() {
    presence_.require(object);
    return groups_.own();
  }
  /// Those of a group, in the order of `group` calls, from 0.
  group_options& settings(std::size_t group) {
    presence_.require(object);
    return groups_.changes(group);
  }

 private:
  struct group_in_step {
    options rated;                   ///< at this step's learning rate
    typename Rule::factors factors;  ///< for parameters that every step has updated
    std::size_t rows;
  };

  /// Everything of a step before it updates the first parameter, but for memory. `needs_gradients`: it reads those of
  /// the step before it.
  void prepare(trainable& model, double learning_rate_factor, bool needs_gradients) {
    presence_.require(object);
    if (!detail::is_at_least_0(learning_rate_factor))
      throw error(std::string(Rule::name) + ": the factor on the learning rate is " +
                  std::to_string(learning_rate_factor) + "; a finite number of at least 0 is accepted");
    in_step_.clear();
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const options rated = groups_.rated(g, learning_rate_factor);
      in_step_.push_back({rated, Rule::factors_of(rated, steps_ + 1), Rule::needs_rows(rated)});
    }
    state_.attach(model);
    if (needs_gradients) model.require_gradients();
    assign(model);
    compared_.assign(group_numbers_.begin(), group_numbers_.end());
    for (const group_in_step& each : in_step_)
      for (const double number : Rule::numbers_of(each.factors)) compared_.push_back(number);
    model.before_update(compared_);
    is_updated_.assign(model.parameters().size(), false);
    has_state_ = false;
  }

  /// Which group each parameter belongs to, and which are trained on other ranks only.
  void assign(const trainable& model) {
    if (assigned_to_ == model.identity() && assigned_ == groups_.size()) return;
    const std::vector<parameter_view> all = model.all_parameters();
    const std::vector<std::size_t> groups = detail::assign_groups(all, groups_.patterns(), std::string(Rule::name));
    group_numbers_.assign(groups.begin(), groups.end());
    group_of_.resize(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) group_of_[state_.find(all[i].name, i)] = groups[i];
    elsewhere_.clear();
    for (const std::string& name : model.trained_elsewhere()) elsewhere_.push_back(state_.find(name, 0));
    assigned_to_ = model.identity();
    assigned_ = groups_.size();
  }

  /// Sees that every parameter that is trained has its rows of numbers. Not before the first is updated: a step that is
  /// refused leaves the optimizer as it was.
  void take_state(const trainable& model) {
    if (has_state_) return;
    has_state_ = true;
    const std::span<const parameter_view> parameters = model.parameters();
    numbers_.resize(parameters.size());
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const std::size_t n = numbers_[i] = state_.find(parameters[i].name, i == 0 ? 0 : numbers_[i - 1] + 1);
      const auto [first, last] = model.updated_here(i);
      if (model.is_trained(i)) state_.provide(n, last - first, in_step_[group_of_[n]].rows);
    }
    for (const std::size_t n : elsewhere_) state_.provide(n, 0, in_step_[group_of_[n]].rows);
  }

  static constexpr const char* object = "this optimizer";

  presence presence_;
  detail::option_groups<Rule> groups_;
  // By the numbers of the state:
  std::vector<std::size_t> group_of_;   // of each parameter
  std::vector<double> group_numbers_;   // the same, in the order of the whole model
  std::vector<std::size_t> elsewhere_;  // parameters that are trained on other ranks only
  std::vector<std::size_t> numbers_;    // of each parameter of the model that is stepped
  std::uint64_t assigned_to_ = 0;       // the parameters that these are about
  std::size_t assigned_ = 0;            // groups that group_of_ knows
  // In this step:
  std::vector<group_in_step> in_step_;  // of each group
  std::vector<double> compared_;        // groups and all factors: ranks must have them alike
  std::vector<bool> is_updated_;        // of each parameter of the model
  bool has_state_ = false;
  optimizer_state state_;
  std::uint64_t steps_ = 0;
};

}  // namespace REMAT_COMPILATION

}  // namespace remat
