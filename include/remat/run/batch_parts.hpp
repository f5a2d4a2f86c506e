// SPDX-License-Identifier: MIT
/// Micro-batches as parts of the caller's batch. Nothing is copied.
#pragma once

#include <remat/model/program.hpp>
#include <remat/run/batch_split.hpp>
#include <remat/run/source.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace remat {

class batch_parts {
 public:
  /// The parts [first, first + count) of a batch of the program's inputs.
  void split(const program& p, std::span<const tensor_source> sources, const batch_split& how, std::size_t first,
             std::size_t count) {
    tensors_ = sources.size();
    parts_.resize(count * tensors_);
    for (std::size_t m = 0; m < count; ++m)
      for (std::size_t i = 0; i < sources.size(); ++i) {
        const std::size_t each = p.tensors[i].elements();
        parts_[m * tensors_ + i] = sources[i].part(how.first(first + m) * each, how.samples(first + m) * each);
      }
  }
  /// The tensors of part m, counted from the first of these.
  std::span<const tensor_source> operator()(int m) const {
    return {parts_.data() + static_cast<std::size_t>(m) * tensors_, tensors_};
  }

 private:
  std::vector<tensor_source> parts_;  // of each part, all inputs of the program: its own, and the loss's targets
  std::size_t tensors_ = 0;
};

}  // namespace remat
