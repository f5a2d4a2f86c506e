// SPDX-License-Identifier: MIT
/// Which bytes of an arena a step changes: the arena is filled with one value before, each of its parts between guards.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/compilation.hpp>
#include <remat/run/memory_block.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

namespace remat::detail {

/// Whether every byte has this value.
REMAT_DEFINED bool is_all(std::span<const std::byte> bytes, std::byte value);

/// A block between two guards, all filled with the same.
class guarded_block {
 public:
  guarded_block(std::size_t size, std::byte fill) : size_(size), block_(size + 2 * guard) {
    std::ranges::fill(block_.bytes(), fill);
  }
  std::byte* data() const { return block_.data() + guard; }
  std::span<const std::byte> bytes() const { return {data(), size_}; }
  bool is_intact(std::byte fill) const {
    return is_all(block_.bytes().first(guard), fill) && is_all(block_.bytes().last(guard), fill);
  }

 private:
  static constexpr std::size_t guard = 4096;
  std::size_t size_;
  memory_block block_;
};

/// An arena of an executor or a pipeline, filled, each of its parts between guards.
class guarded_arena {
 public:
  template <class Runs>
  guarded_arena(Runs& runs, std::byte fill)
      : activations_(runs.needed().activations + runs.needed().gradients, fill),
        kernels_(runs.needed().kernels(), fill) {
    runs.bind(activations_.data(), kernels_.data());
  }
  /// Gradients of parameters among them.
  std::span<const std::byte> activations() const { return activations_.bytes(); }
  std::span<const std::byte> kernels() const { return kernels_.bytes(); }
  bool is_intact(std::byte fill) const { return activations_.is_intact(fill) && kernels_.is_intact(fill); }

 private:
  guarded_block activations_, kernels_;
};

/// The bytes of a part of an arena that steps changed, next to those that are planned.
class arena_usage {
 public:
  explicit arena_usage(std::size_t bytes) : changed_(bytes), planned_(bytes) {}

  /// `bytes`: all of them, which were `fill` before the step.
  REMAT_DEFINED void add_changed(std::span<const std::byte> bytes, std::byte fill);
  void add_planned(std::size_t at, std::size_t bytes) {
    if (bytes > 0) std::memset(planned_.data() + at, 1, bytes);
  }
  bool is_as_planned() const { return changed_ == planned_; }
  REMAT_DEFINED bool is_within_plan() const;
  /// Up to the last byte that was changed, in units of the alignment.
  REMAT_DEFINED std::size_t used_bytes() const;

 private:
  std::vector<unsigned char> changed_, planned_;  // 1 for each byte that is
};

#if REMAT_HAS_DEFINITIONS

REMAT_DEFINED bool is_all(std::span<const std::byte> bytes, std::byte value) {
  return std::ranges::all_of(bytes, [=](std::byte b) { return b == value; });
}

REMAT_DEFINED void arena_usage::add_changed(std::span<const std::byte> bytes, std::byte fill) {
  for (std::size_t i = 0; i < changed_.size(); ++i)
    changed_[i] = static_cast<unsigned char>(changed_[i] | (bytes[i] != fill ? 1 : 0));
}

REMAT_DEFINED bool arena_usage::is_within_plan() const {
  unsigned char beyond = 0;
  for (std::size_t i = 0; i < changed_.size(); ++i) beyond |= static_cast<unsigned char>(changed_[i] & ~planned_[i]);
  return beyond == 0;
}

REMAT_DEFINED std::size_t arena_usage::used_bytes() const {
  std::size_t end = changed_.size();
  while (end > 0 && changed_[end - 1] == 0) --end;
  return aligned(end);
}

#endif

}  // namespace remat::detail
