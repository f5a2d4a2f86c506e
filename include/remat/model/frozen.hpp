// SPDX-License-Identifier: MIT
/// Parameters that are not trained: `frozen<M>`.
///
/// They have no gradients, no code for them is made, and what only they would read is not kept. Gradients still pass
/// through to what is before. What a module remembers (the statistics of a batch norm) still changes. A parameter that
/// is `shared` by several places is frozen where one of them is. At run time: `model_options::frozen`, by path.
#pragma once

#include <remat/core/module.hpp>

namespace remat {

template <class M>
struct frozen : module {};

}  // namespace remat
