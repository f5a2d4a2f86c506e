// SPDX-License-Identifier: MIT
/// The micro-batches of a replica, as parts of the caller's batch. Nothing is copied.
#pragma once

#include <remat/model/program.hpp>
#include <remat/run/source.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace remat {

class batch_parts {
 public:
  /// The micro-batches [first, first + count) of a batch of the program's inputs, each of so many samples.
  void split(const program& p, std::span<const source> sources, std::size_t first, std::size_t count,
             std::size_t samples) {
    parts_.resize(count);
    for (std::size_t m = 0; m < count; ++m)
      for (std::size_t i = 0; i < sources.size(); ++i) {
        const std::size_t size = p.tensors[i].elements() * samples;
        parts_[m][i] = sources[i].part((first + m) * size, size);
      }
  }
  /// The tensors of micro-batch m, counted from the first of this replica.
  std::span<const source> operator()(int m) const { return parts_[static_cast<std::size_t>(m)]; }

 private:
  std::vector<std::array<source, call::max_tensors>> parts_;
};

}  // namespace remat
