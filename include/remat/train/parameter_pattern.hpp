// SPDX-License-Identifier: MIT
/// Which parameters of a model: by path, or by a predicate.
///
///     "fc1"                      the parameter of this path, or all parameters of the module of this path
///     "*.bias", "blocks.*.fc1"   the same, where * matches any characters, dots included
///     ""                         all
///     remat::is_bias_or_norm     those for which this holds: anything that takes a parameter_view and gives a bool, by
///                                name and shape alone (a rank has no values of the parameters of others)
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/text_pattern.hpp>
#include <remat/run/parameter_view.hpp>

#include <concepts>
#include <functional>
#include <string>
#include <utility>

namespace remat {

/// Parameters of rank 0 or 1: biases, and the scales and shifts of normalisations. They are usually not decayed.
inline bool is_bias_or_norm(const parameter_view& p) { return p.shape.size() <= 1; }

class parameter_pattern {
 public:
  parameter_pattern(std::string path) : path_(std::move(path)) {}
  parameter_pattern(const char* path) : path_(path) {}
  template <std::predicate<const parameter_view&> Predicate>
  parameter_pattern(Predicate holds) : holds_(std::move(holds)) {
    if (!holds_) throw error("a predicate of parameters is empty; give one that can be called");
  }

  bool matches(const parameter_view& p) const {
    if (holds_) return holds_(p);
    return path_.empty() || detail::is_text_of_pattern(p.name, path_) || detail::is_text_of_pattern(p.name, below_);
  }
  /// How an error names it.
  std::string text() const { return holds_ ? "a predicate" : "'" + path_ + "'"; }

 private:
  std::string path_;
  std::string below_ = path_ + ".*";
  std::function<bool(const parameter_view&)> holds_;
};

}  // namespace remat
