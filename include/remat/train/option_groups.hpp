// SPDX-License-Identifier: MIT
/// The options of an optimizer, and what groups of parameters change of them. Group 0 is the optimizer itself. The
/// others are numbered from 1 in the order in which they were added, and from 0 where users name them.
#pragma once

#include <remat/core/error.hpp>
#include <remat/train/parameter_pattern.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace remat::detail {

/// Of a rule (optimizer.hpp). Whatever takes options throws `error` for those that the rule does not accept.
template <class Rule>
class option_groups {
 public:
  using options = typename Rule::options;
  using group_options = typename Rule::group_options;

  explicit option_groups(const options& own) : own_(own) { check(own_, 0); }

  void add(parameter_pattern which, const group_options& changes) {
    check(Rule::changed(own_, changes), size());
    changes_.push_back(changes);
    patterns_.push_back(std::move(which));
  }

  /// How many there are, the optimizer itself included.
  std::size_t size() const { return changes_.size() + 1; }
  /// Which parameters belong to the groups after the first.
  std::span<const parameter_pattern> patterns() const { return patterns_; }

  options of(std::size_t group) const { return group == 0 ? own_ : Rule::changed(own_, changes_[group - 1]); }
  /// The same at the learning rate times a factor, and checked: they may have changed.
  options rated(std::size_t group, double factor) const {
    options o = of(group);
    check(o, group);
    o.learning_rate = static_cast<float>(static_cast<double>(o.learning_rate) * factor);
    check(o, group);
    return o;
  }

  /// The optimizer's own, to be changed.
  options& own() { return own_; }
  /// What a group changes, by the user's number. Throws `error` where there is no such group.
  group_options& changes(std::size_t number) {
    if (number >= changes_.size())
      throw error(std::string(Rule::name) + ": there is no group " + std::to_string(number) + "; it has " +
                  std::to_string(changes_.size()) + ", counted from 0");
    return changes_[number];
  }

 private:
  static void check(const options& o, std::size_t group) {
    const char* const complaint = Rule::complaint(o);
    if (complaint == nullptr) return;
    const std::string who = group == 0 ? "" : ", group " + std::to_string(group - 1);
    throw error(std::string(Rule::name) + who + ": " + complaint);
  }

  options own_;
  std::vector<group_options> changes_;
  std::vector<parameter_pattern> patterns_;
};

}  // namespace remat::detail
