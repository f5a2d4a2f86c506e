// SPDX-License-Identifier: MIT
/// Checkpoints: parts of a model whose inside is dropped in the forward pass and computed again in the backward pass.
///
///     checkpoint<M>                                       keeps M's inputs and outputs
///     checkpoint<M, Policy>                               keeps what the policy says, in addition to them
///     checkpoint<M, with<save_what_fits{1'000'000}>>      a policy with members
///     checkpoint_sequential<sequential<...>>              every child is a segment of its own
///     checkpoint_sequential<sequential<...>, strategy::group<3>>
///
/// Checkpoints nest: the recomputation of an outer one drops the inside of an inner one again. A checkpointed
/// sequential is `strategy::contiguous`: its consecutive children on one stage are one segment. Of inputs and outputs,
/// only those are kept that some backward or recomputation reads, and a segment that would keep more than no
/// checkpoint at all is left unchecked (the plan says so). Examples 01 and 02 show both forms.
#pragma once

#include <remat/core/checkpoint_setting.hpp>
#include <remat/core/module.hpp>
#include <remat/model/sequential.hpp>

namespace remat {

template <class M, class P = recompute_all, class S = keep>
struct checkpoint : module {};

template <class Sequential, class Strategy = strategy::each, class P = recompute_all, class S = keep>
struct checkpoint_sequential : module {};

}  // namespace remat
