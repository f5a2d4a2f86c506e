// SPDX-License-Identifier: MIT
/// Adam with decoupled weight decay (Loshchilov and Hutter 2019), as PyTorch's `AdamW` computes it: weights shrink by
/// themselves, and what Adam remembers of gradients does not see it.
///
///     m = beta1 * m + (1 - beta1) * gradient,   v = beta2 * v + (1 - beta2) * gradient * gradient
///     w = (1 - learning_rate * weight_decay) * w
///         - learning_rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
///
///     remat::adamw optimizer{{.learning_rate = 3e-4f, .weight_decay = 0.05f}};
///     optimizer.group(remat::is_bias_or_norm, {.weight_decay = 0});
#pragma once

#include <remat/train/adam.hpp>

namespace remat {

/// Decays by 0.01 unless told otherwise.
using adamw = optimizer<adam_rule<true>>;
REMAT_COMPILED_TEMPLATE(class, optimizer<adam_rule<true>>)

}  // namespace remat
