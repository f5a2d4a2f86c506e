// SPDX-License-Identifier: MIT
/// Targets that are classes: 0 to C - 1, or the one that does not count, -100 where no option says another.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/module.hpp>
#include <remat/nn/loss_options.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

namespace remat::nn::detail {

/// What counts of the targets: the number of those that are not ignored, or the sum of their weights, where there are
/// any. Those that are no classes, which have no weight, are refused by `check_targets`.
inline double counted_targets(const loss_options& o, std::span<const std::int32_t> targets,
                              std::span<const float> weights) {
  if (weights.empty()) {
    std::size_t counted = 0;
    for (const std::int32_t target : targets) counted += target != o.ignored ? 1 : 0;
    return static_cast<double>(counted);
  }
  double sum = 0;
  for (const std::int32_t target : targets)
    if (target != o.ignored && target >= 0 && static_cast<std::size_t>(target) < weights.size())
      sum += static_cast<double>(weights[static_cast<std::size_t>(target)]);
  return sum;
}

/// Throws `error` for a target that is no class.
inline void check_targets(std::string_view loss, const loss_options& o, std::span<const std::int32_t> targets,
                          std::size_t classes) {
  const auto is_none = [&](std::int32_t target) {
    return target != o.ignored && (target < 0 || static_cast<std::size_t>(target) >= classes);
  };
  int found = 0;  // in a loop that goes on, which uses vectors
  for (const std::int32_t target : targets) found |= is_none(target) ? 1 : 0;
  for (std::size_t i = 0; found != 0 && i < targets.size(); ++i)
    if (is_none(targets[i]))
      throw error(std::string(loss) + ": target " + std::to_string(targets[i]) + " at place " + std::to_string(i) +
                  " of the micro-batch is no class; classes are 0 to " + std::to_string(classes - 1) + ", and " +
                  std::to_string(o.ignored) + " is ignored");
}

/// The weights of classes of a pass; empty where they have none. Throws `error` for a negative one, or NaN, with which
/// no loss is a mean.
inline std::span<const float> weights_of(const kernel_pass& p, const loss_options& o) {
  const std::span<const float> weights = o.weights == 0 ? std::span<const float>() : p.state(0);
  for (std::size_t c = 0; c < weights.size(); ++c)
    if (!(weights[c] >= 0))
      throw error("the loss's weight of class " + std::to_string(c) + " is " + std::to_string(weights[c]) +
                  "; weights of classes are 0 or more");
  return weights;
}

/// What the loss of a pass is divided by: what counts in the whole batch, of which the pass may have a part.
inline double denominator_of(const kernel_pass& p, const loss_options& o, std::span<const std::int32_t> targets,
                             std::span<const float> weights) {
  return p.counted_in_batch() ? *p.counted_in_batch() : counted_targets(o, targets, weights);
}

/// The loss of a batch, or its part of it, of the sum over its targets. NaN where the denominator is 0, whatever the
/// sum is: label smoothing adds what does not count.
inline float mean_of_sum(double sum, double denominator) {
  return denominator == 0 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(sum / denominator);
}

/// The share of one target in the gradient `dy` of that loss, with the same NaN: targets that are ignored have
/// gradients of 0 without it.
inline float share_of_each(float dy, double denominator) {
  return denominator == 0 ? std::numeric_limits<float>::quiet_NaN() : dy / static_cast<float>(denominator);
}

template <std::size_t Classes, std::size_t Weights>
struct class_weights_of {
  static constexpr bool holds = true;
  static_assert(Weights == 0 || Weights == Classes,
                "remat: a loss has a weight for each of its classes; give class_weights the number of classes");
};

/// A loss of scores (C), (T, C) or (C, H, W) and a class for each sample, row or pixel: the mean over the targets that
/// count. As in PyTorch, it is NaN where all are ignored, with gradients of 0; and NaN where the weights of those that
/// are not are all 0, with gradients of NaN.
template <class... Options>
struct loss_of_classes : module {
  static constexpr loss_options attributes = options_of<Options...>();
  static constexpr std::int32_t ignored = attributes.ignored;
  static constexpr auto states = class_weight_states<attributes.weights>("weight");
  template <std::size_t C>
    requires(class_weights_of<C, attributes.weights>::holds)
  static tensor<std::int32_t> target(tensor<float, C>);
  template <std::size_t T, std::size_t C>
    requires(class_weights_of<C, attributes.weights>::holds)
  static tensor<std::int32_t, T> target(tensor<float, T, C>);
  template <std::size_t C, std::size_t H, std::size_t W>
    requires(class_weights_of<C, attributes.weights>::holds)
  static tensor<std::int32_t, H, W> target(image<float, C, H, W>);
  template <class X>
    requires requires { target(X{}); }
  static scalar<float> output(X, decltype(target(X{})));
  static double counted(const target_pass& pass) {
    return counted_targets(attributes, pass.target<std::int32_t>(), weights_of(pass, attributes));
  }
};

}  // namespace remat::nn::detail
