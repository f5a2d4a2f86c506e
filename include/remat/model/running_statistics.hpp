// SPDX-License-Identifier: MIT
/// Normalisation by running statistics in training as well: `running_statistics<M>`.
///
/// Every batch norm in M uses its running mean and variance, as in inference, and a training step leaves them as they
/// are: what PyTorch does after `bn.eval()`, as for fine-tuning on small batches. Its weight and bias still train,
/// unless they are `frozen`, too. At run time: `model_options::running_statistics`, by path.
#pragma once

#include <remat/core/module.hpp>

namespace remat {

template <class M>
struct running_statistics : module {};

}  // namespace remat
