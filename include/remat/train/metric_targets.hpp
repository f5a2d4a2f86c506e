// SPDX-License-Identifier: MIT
/// Targets as metrics read them: any numbers in contiguous memory, whatever their type.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/tensor.hpp>
#include <remat/run/tensor_range.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

namespace remat::detail {

/// Images have a score for each channel, other tensors for each element of their last extent.
constexpr std::size_t classes_of(const tensor_shape& shape) {
  return shape.rank == 0 ? 1 : shape.is_image() ? shape.channels() : shape.extents[shape.rank - 1];
}

/// A target as a message shows it: 99, 0.5.
template <class T>
std::string target_text(T target) {
  if constexpr (std::is_floating_point_v<T>) {
    std::ostringstream text;
    text << target;
    return text.str();
  } else {
    return std::to_string(target);
  }
}

/// A target that is a class from 0 to `classes` - 1; none where it does not count: where it is negative, as in
/// nll_loss, or `ignored`. Throws `error` for another one.
template <class T>
std::optional<std::size_t> class_of_target(const std::string& who, T target, std::size_t place, std::size_t classes,
                                           std::optional<std::int64_t> ignored) {
  if constexpr (std::is_same_v<T, bool>) {
    return class_of_target<int>(who, target ? 1 : 0, place, classes, ignored);
  } else {
    bool is_class = false, is_ignored = target < T{0};
    if constexpr (std::is_floating_point_v<T>) {
      is_class = std::trunc(target) == target && target < static_cast<T>(classes);
      is_ignored = (is_ignored && std::trunc(target) == target) || (ignored && target == static_cast<T>(*ignored));
    } else {
      is_class = std::cmp_less(target, classes);
      is_ignored = is_ignored || (ignored && std::cmp_equal(target, *ignored));
    }
    if (is_ignored) return std::nullopt;
    if (!is_class)
      throw error(who + ": target " + target_text(target) + " at place " + std::to_string(place) +
                  " of the batch is no class; classes are 0 to " + std::to_string(classes - 1) +
                  ", and negative targets do not count");
    return static_cast<std::size_t>(target);
  }
}

/// Calls f(scores, stride, classes, target) for every target that counts: the score of class c is scores[c * stride].
/// Outputs are (N, C), (N, T, C) or (N, C, H, W), targets (N), (N, T) or (N, H, W). Throws `error` where their numbers
/// disagree, and for a target that is no class.
template <class Targets, class F>
void for_each_scored(const std::string& who, std::span<const float> outputs, const Targets& targets,
                     const tensor_shape& shape, std::optional<std::int64_t> ignored, const F& f) {
  const auto values = numbers_of(targets);
  const std::size_t classes = classes_of(shape), places = shape.is_image() ? shape.elements() / classes : 1;
  if (outputs.size() != values.size() * classes)
    throw error(who + ": " + std::to_string(values.size()) + " targets for " +
                std::to_string(outputs.size() / classes) + " outputs of " + std::to_string(classes) +
                " classes; one for each is needed");
  for (std::size_t i = 0; i < values.size(); ++i)
    if (const std::optional<std::size_t> target = class_of_target(who, values[i], i, classes, ignored))
      f(outputs.data() + i / places * classes * places + i % places, places, classes, *target);
}

/// Whether there is a target for each element of the outputs.
template <class Targets>
bool is_by_element(std::span<const float> outputs, const Targets& targets) {
  return numbers_of(targets).size() == outputs.size();
}

/// Calls f(output, target) for every target that counts, 0 or 1. Throws `error` for another one.
template <class Targets, class F>
void for_each_binary(const std::string& who, std::span<const float> outputs, const Targets& targets,
                     std::optional<std::int64_t> ignored, const F& f) {
  const auto values = numbers_of(targets);
  using T = std::remove_cv_t<typename decltype(values)::value_type>;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T target = values[i];
    const bool is_one = target == T{1};
    if (!is_one && target != T{0}) {
      bool counts = true;
      if constexpr (std::is_floating_point_v<T>)
        counts = !(ignored && target == static_cast<T>(*ignored));
      else if constexpr (!std::is_same_v<T, bool>)
        counts = target > T{0} && !(ignored && std::cmp_equal(target, *ignored));
      if (!counts) continue;
      throw error(who + ": target " + target_text(target) + " at place " + std::to_string(i) +
                  " of the batch is neither 0 nor 1; outputs with a target for each are counted one by one");
    }
    if (ignored && *ignored == (is_one ? 1 : 0)) continue;
    f(outputs[i], is_one);
  }
}

/// No class is the highest then.
inline bool any_is_nan(const float* scores, std::size_t stride, std::size_t classes) {
  for (std::size_t c = 0; c < classes; ++c)
    if (scores[c * stride] != scores[c * stride]) return true;
  return false;
}

/// What a metric is of nothing: NaN, which cannot be taken for a result.
inline double mean_of_seen(double sum, std::size_t seen) {
  return seen == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(seen);
}

}  // namespace remat::detail
