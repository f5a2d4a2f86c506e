// SPDX-License-Identifier: MIT
/// The batch sizes that a program can be planned for, by one rule at compile time and at run time: at least one sample,
/// and no tensor of more than 2^31 - 1 elements, since kernels count them in 32 bits. No sum of bytes overflows then.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/tensor.hpp>
#include <remat/model/program.hpp>

#include <cstddef>
#include <string>

namespace remat {

/// The batch. Throws `error` for one that cannot be planned; in a constant expression, that is a compiler's error which
/// quotes the sentence.
constexpr std::size_t checked_batch(const program& p, std::size_t batch) {
  if (batch == 0) throw error("a batch holds at least one sample");
  for (const tensor_shape& shape : p.tensors)
    if (shape.per_sample && !detail::are_few_elements(shape.extents, shape.rank, batch))
      throw error("a batch of " + std::to_string(batch) +
                  " makes a tensor of more than 2^31 - 1 elements; take smaller batches");
  return batch;
}

}  // namespace remat
