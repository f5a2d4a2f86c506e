// SPDX-License-Identifier: MIT
/// An optimizer: a rule that updates each parameter from its gradient, with options for groups of parameters.
///
///     remat::adamw optimizer{{.learning_rate = 3e-4f, .weight_decay = 0.05f}};
///     optimizer.group(remat::is_bias_or_norm, {.weight_decay = 0});
///     optimizer.group("head", {.learning_rate = 1e-3f});
///     optimizer.step(model);
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
///     state_rows, needs_rows(options)              numbers kept for an element: at most, and under these options
///     factors_of(options, step)                    what the arithmetic needs at the step of a parameter, from 1
///     numbers_of(factors)                          the same as an array of double, which ranks compare
///     update(factors, w, gradient, state, is_first, begin, end)
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/core/presence.hpp>
#include <remat/run/optimizer_state.hpp>
#include <remat/run/parameter_pattern.hpp>
#include <remat/run/trainable.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace remat {

namespace detail {

/// A finite one, too.
constexpr bool is_at_least_0(double x) { return x >= 0 && x <= std::numeric_limits<double>::max(); }

/// Which group each parameter belongs to: 0, or 1 + the place of the last pattern that matches. Throws `error` for a
/// pattern that gets no parameter.
inline std::vector<std::size_t> assign_groups(std::span<const parameter_view> parameters,
                                              std::span<const parameter_pattern> patterns, const std::string& who) {
  std::vector<std::size_t> group_of(parameters.size());
  for (std::size_t g = 0; g < patterns.size(); ++g) {
    std::size_t matched = 0, taken = 0;
    for (const parameter_view& p : parameters) {
      if (!patterns[g].matches(p)) continue;
      ++matched;
      std::size_t last = g;
      for (std::size_t later = g + 1; later < patterns.size(); ++later)
        if (patterns[later].matches(p)) last = later;
      taken += last == g ? 1u : 0u;
      group_of[static_cast<std::size_t>(&p - parameters.data())] = last + 1;
    }
    const std::string group = who + ": the pattern of group " + std::to_string(g) + ", " + patterns[g].text() + ", ";
    if (matched == 0) {
      std::string known;
      for (const parameter_view& p : parameters) known += (known.empty() ? "" : ", ") + p.name;
      throw error(group + "matches no parameter; this model has " + known);
    }
    if (taken == 0) throw error(group + "matches only parameters that later groups take; put it behind them");
  }
  return group_of;
}

}  // namespace detail

template <class Rule>
class optimizer {
 public:
  using options = typename Rule::options;
  using group_options = typename Rule::group_options;

  optimizer() : optimizer(options{}) {}
  explicit optimizer(const options& o) : options_(o) { check(options_, 0); }
  optimizer(const optimizer&) = default;
  optimizer(optimizer&&) = default;
  optimizer& operator=(const optimizer&) = default;
  /// Onto itself, it stays what it is. One that was moved from refuses whatever it is asked.
  optimizer& operator=(optimizer&& other) noexcept {
    if (this == &other) return *this;
    presence_ = std::move(other.presence_);
    options_ = std::move(other.options_);
    changes_ = std::move(other.changes_);
    patterns_ = std::move(other.patterns_);
    group_of_ = std::move(other.group_of_);
    assigned_ = other.assigned_;
    rated_ = std::move(other.rated_);
    factors_ = std::move(other.factors_);
    rows_ = std::move(other.rows_);
    numbers_ = std::move(other.numbers_);
    state_ = std::move(other.state_);
    steps_ = other.steps_;
    return *this;
  }

  /// Other options for the parameters that match. A pattern that gets none is an `error` of the next step.
  optimizer& group(parameter_pattern which, const group_options& changes) {
    presence_.require(object);
    check(Rule::changed(options_, changes), changes_.size() + 1);
    changes_.push_back(changes);
    patterns_.push_back(std::move(which));
    return *this;
  }

  /// Updates every parameter from its gradient, at its learning rate times `learning_rate_factor` (learning_rate.hpp
  /// has schedules). State is allocated at the first step. Throws `error` before anything changes.
  void step(trainable& model, double learning_rate_factor = 1) {
    presence_.require(object);
    if (!detail::is_at_least_0(learning_rate_factor))
      throw error(std::string(Rule::name) + ": the factor on the learning rate is " +
                  std::to_string(learning_rate_factor) + "; a finite number of at least 0 is accepted");
    rated_.clear();
    factors_.clear();
    rows_.clear();
    for (std::size_t g = 0; g <= changes_.size(); ++g) {
      options o = g == 0 ? options_ : Rule::changed(options_, changes_[g - 1]);
      check(o, g);
      o.learning_rate = static_cast<float>(static_cast<double>(o.learning_rate) * learning_rate_factor);
      check(o, g);
      rated_.push_back(o);
      factors_.push_back(Rule::factors_of(o, steps_ + 1));
      rows_.push_back(Rule::needs_rows(o));
    }
    const std::span<const parameter_view> parameters = model.parameters();
    const std::span<const std::size_t> numbers = model.store().value_numbers();
    state_.require(model);
    model.require_gradients();
    if (group_of_.size() != parameters.size() || assigned_ != patterns_.size()) {
      const std::vector<parameter_view> all = model.all_parameters();
      const std::vector<std::size_t> groups = detail::assign_groups(all, patterns_, std::string(Rule::name));
      group_of_.resize(parameters.size());
      for (std::size_t i = 0; i < parameters.size(); ++i)
        group_of_[numbers[i]] = groups[static_cast<std::size_t>(
            std::ranges::find(all, parameters[i].name, &parameter_view::name) - all.begin())];
      assigned_ = patterns_.size();
    }
    state_.attach(model);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      if (const auto [first, last] = model.updated_here(i); first < last)
        model.store().add_optimizer_bytes(state_.provide(numbers[i], last - first, rows_[group_of_[numbers[i]]]));

    numbers_.clear();
    for (const typename Rule::factors& f : factors_)
      for (const double number : Rule::numbers_of(f)) numbers_.push_back(number);
    model.before_update(numbers_);

    const thread_scope scope(model.threads());
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto [first, last] = model.updated_here(i);
      if (first == last) continue;
      const parameter_view& p = parameters[i];
      const std::size_t n = numbers[i], group = group_of_[n];
      const std::size_t taken = state_.steps(n);  // fewer than the optimizer's where it was frozen in some
      const typename Rule::factors f = taken == steps_ ? factors_[group] : Rule::factors_of(rated_[group], taken + 1);
      std::array<float*, Rule::state_rows> state{};
      for (std::size_t r = 0; r < rows_[group]; ++r) state[r] = state_.row(n, r);
      const bool is_first = state_.is_new(n);
      float* const values = p.values.data() + first;
      const float* const gradient = p.gradient.data() + first;
      parallel_for(last - first, 16384, [&](std::size_t begin, std::size_t end) {
        Rule::update(f, values, gradient, state, is_first, begin, end);
      });
      state_.settle(n);
    }
    ++steps_;
    model.after_update();
  }

  /// Steps taken, which is the number of the next one: `optimizer.step(model, schedule(optimizer.steps()))`.
  std::size_t steps() const {
    presence_.require(object);
    return steps_;
  }

  /// May be changed at any time; the next step checks them.
  options& settings() {
    presence_.require(object);
    return options_;
  }
  /// Those of a group, in the order of `group` calls, from 0.
  group_options& settings(std::size_t group) {
    presence_.require(object);
    if (group >= changes_.size())
      throw error(std::string(Rule::name) + ": there is no group " + std::to_string(group) + "; it has " +
                  std::to_string(changes_.size()) + ", counted from 0");
    return changes_[group];
  }

 private:
  /// Group 0 is the optimizer itself.
  static void check(const options& o, std::size_t group) {
    const char* const complaint = Rule::complaint(o);
    if (complaint == nullptr) return;
    const std::string who = group == 0 ? "" : ", group " + std::to_string(group - 1);
    throw error(std::string(Rule::name) + who + ": " + complaint);
  }

  static constexpr const char* object = "this optimizer";

  presence presence_;
  options options_;
  std::vector<group_options> changes_;
  std::vector<parameter_pattern> patterns_;
  std::vector<std::size_t> group_of_;            // of each parameter, as shared values are numbered
  std::size_t assigned_ = 0;                     // patterns that group_of_ knows
  std::vector<options> rated_;                   // of each group, at this step's learning rate
  std::vector<typename Rule::factors> factors_;  // the same, for parameters that every step has updated
  std::vector<std::size_t> rows_;                // the same
  std::vector<double> numbers_;                  // of all factors
  optimizer_state state_;
  std::size_t steps_ = 0;
};

}  // namespace remat
