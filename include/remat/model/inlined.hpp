// SPDX-License-Identifier: MIT
/// A module whose parts are children of the module around it: `inlined<residual<...>>`.
///
///     sequential<inlined<residual<sequential<named<"ln_1", norm>, named<"attn", attention>>>>,
///                inlined<residual<sequential<named<"ln_2", norm>, named<"mlp", mlp>>>>>
///
/// computes what it does without the word, and has the paths ln_1, attn, ln_2 and mlp, as code has that writes
/// `x + self.attn(self.ln_1(x))`. Parts without a name are counted among the children of the module around it.
///
/// M is a sequential, a repeat, a residual or a parallel. The word makes a difference where it is a part of a
/// sequential, a residual, a parallel or a block. Under a name, a checkpoint, a `shared`, an annotation or a `repeat`,
/// and as a whole model, the module itself is there.
#pragma once

#include <remat/core/module.hpp>

namespace remat {

template <class M>
struct inlined : module {};

}  // namespace remat
