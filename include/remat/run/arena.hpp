// SPDX-License-Identifier: MIT
/// The arena: one block of memory, activations and gradients of parameters first and what kernels need after them,
/// large enough for the largest plan of a model.
#pragma once

#include <remat/run/executor.hpp>
#include <remat/run/memory_block.hpp>

#include <cstddef>

namespace remat {

class arena {
 public:
  const regions& reserved() const { return reserved_; }
  std::byte* data() const { return block_.data(); }

  /// Makes room for a plan. Whether the regions moved, so that executors must be bound again. Throws std::bad_alloc,
  /// and is then empty.
  bool reserve(const regions& needed) {
    const regions larger = needed.with(reserved_);
    if (block_.size() > 0 && larger.total() == reserved_.total()) {
      reserved_ = larger;
      return false;
    }
    // Nothing lives between steps: the old block is given back before the new one is taken. Where there is no memory
    // for that, the arena is empty.
    block_ = {};
    reserved_ = {};
    block_ = memory_block(larger.total());
    reserved_ = larger;
    return true;
  }

  /// Where the memory of kernels begins.
  std::byte* kernels() const { return data() + reserved_.activations + reserved_.gradients; }

  void bind(executor& e) const { e.bind(data(), kernels()); }

 private:
  memory_block block_;
  regions reserved_;
};

}  // namespace remat
