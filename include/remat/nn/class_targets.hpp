// SPDX-License-Identifier: MIT
/// Targets that are classes: 0 to C - 1, or -100 where a sample does not count (PyTorch's `ignore_index`).
#pragma once

#include <remat/core/error.hpp>

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

}  // namespace remat::nn::detail
