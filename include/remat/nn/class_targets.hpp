// SPDX-License-Identifier: MIT
/// Targets that are classes: 0 to C - 1, or -100 where a sample does not count (PyTorch's `ignore_index`).
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/module.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace remat::nn::detail {

inline constexpr std::int32_t ignored_target = -100;

/// How many targets count.
inline std::size_t counted_targets(std::span<const std::int32_t> targets) {
  std::size_t counted = 0;
  for (const std::int32_t target : targets) counted += target != ignored_target ? 1 : 0;
  return counted;
}

/// Likewise; throws `error` for a target that is no class.
inline std::size_t checked_targets(std::string_view loss, std::span<const std::int32_t> targets, std::size_t classes) {
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (targets[i] != ignored_target && (targets[i] < 0 || static_cast<std::size_t>(targets[i]) >= classes))
      throw error(std::string(loss) + ": target " + std::to_string(targets[i]) + " at place " + std::to_string(i) +
                  " of the batch is no class; classes are 0 to " + std::to_string(classes - 1) +
                  ", and -100 is ignored");
  return counted_targets(targets);
}

/// The share of one target that counts in the gradient `dy` of a mean; 0 where none does, of which nothing is left.
inline float share_of_each(float dy, std::size_t counted) {
  return counted == 0 ? 0.0f : dy / static_cast<float>(counted);
}

/// A loss of scores (C), (T, C) or (C, H, W) and a class for each sample, row or pixel: the mean over the targets that
/// count, and NaN where none does, as PyTorch's is.
struct loss_of_classes : module {
  static constexpr std::int32_t ignored = ignored_target;

  template <std::size_t C>
  static tensor<std::int32_t> target(tensor<float, C>);
  template <std::size_t T, std::size_t C>
  static tensor<std::int32_t, T> target(tensor<float, T, C>);
  template <std::size_t C, std::size_t H, std::size_t W>
  static tensor<std::int32_t, H, W> target(tensor<float, C, H, W>);
  template <class X>
    requires requires { target(X{}); }
  static scalar<float> output(X, decltype(target(X{})));
  static double counted(const target_pass& pass) {
    return static_cast<double>(counted_targets(pass.target<std::int32_t>()));
  }
};

}  // namespace remat::nn::detail
