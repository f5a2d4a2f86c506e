// SPDX-License-Identifier: MIT
/// How a batch is split into the micro-batches of all replicas: as evenly as possible, the larger parts first, which
/// have one sample more (numpy's `array_split`). Micro-batch k of replica r is part r * microbatches + k. Where
/// replicas bring batches of their own, of one size, each is a group, and splits its own.
#pragma once

#include <remat/core/language.hpp>

#include <algorithm>
#include <cstddef>

namespace remat {

struct batch_split {
  std::size_t batch = 0, parts = 1, groups = 1;

  /// How each group splits its own.
  constexpr batch_split of_group() const { return {batch / groups, parts / groups}; }
  /// Of part i.
  constexpr std::size_t samples(std::size_t i) const { return smaller() + (i % (parts / groups) < larger() ? 1 : 0); }
  /// The number of the first sample of part i.
  constexpr std::size_t first(std::size_t i) const {
    const std::size_t each = parts / groups;
    return i / each * (batch / groups) + i % each * smaller() + std::min(i % each, larger());
  }

  /// Samples of the smaller parts.
  constexpr std::size_t smaller() const { return batch / parts; }
  /// How many parts of each group have one more.
  constexpr std::size_t larger() const { return batch / groups % (parts / groups); }
  /// Samples of the largest parts.
  constexpr std::size_t largest() const { return samples(0); }
  /// Those of the smaller parts, where both sizes have samples; 0 otherwise.
  constexpr std::size_t smaller_of_two() const { return batch > parts && larger() > 0 ? smaller() : 0; }
  /// The parts that have a sample.
  constexpr std::size_t filled() const { return std::min(batch, parts); }
};

}  // namespace remat
