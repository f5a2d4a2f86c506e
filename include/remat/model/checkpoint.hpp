// SPDX-License-Identifier: MIT
/// Checkpoints: parts of a model whose inside is dropped in the forward pass and computed again in the backward pass.
///
///     checkpoint<M>                                       keeps M's inputs and outputs
///     checkpoint<M, Policy>                               keeps what the policy says, in addition to them
///     checkpoint<M, with<save_what_fits{1'000'000}>>      a policy with members
///     checkpoint_sequential<sequential<...>>              every child is a segment of its own
///     checkpoint_sequential<sequential<...>, strategy::group<3>>
///     set_activation_checkpointing<M, "h">                every child of the sequential or repeat of this path in M
///     set_activation_checkpointing<M, "h.*.mlp", strategy::contiguous, save_only<kind<"linear">>>
///
/// Checkpoints nest: the recomputation of an outer one drops the inside of an inner one again. A checkpointed
/// sequential is `strategy::contiguous`: its consecutive children on one stage are one segment. Of inputs and outputs,
/// only those are kept that some backward or recomputation reads, and a segment that would keep more than no
/// checkpoint at all is left plain (the plan says so). Examples 01 and 02 show these forms.
///
/// `set_activation_checkpointing` is an annotation: the model and its paths stay as they are, and the program is that
/// of tags inside of it. What it names is found when the model is lowered, so that it reaches into a `repeat` without a
/// copy of it. In its path `*` matches any characters of one part. Several are written around one another; one module
/// is annotated once. The annotation's checkpoint is around those of tags that the module has.
#pragma once

#include <remat/core/checkpoint_setting.hpp>
#include <remat/core/fixed_string.hpp>
#include <remat/core/module.hpp>
#include <remat/model/sequential.hpp>

namespace remat {

template <class M, class P = recompute_all, class S = keep>
struct checkpoint : module {};

template <class Sequential, class Strategy = strategy::each, class P = recompute_all, class S = keep>
struct checkpoint_sequential : module {};

/// `Model` with checkpoints of what has the path `Pattern` in it; the empty one is the model itself. The strategy is
/// for sequentials and repeats; by default each of their children is checkpointed, and any other module as one.
template <class Model, fixed_string Pattern, class Strategy = strategy::each_if_sequential, class P = recompute_all,
          class S = keep>
struct set_activation_checkpointing : module {};

}  // namespace remat
