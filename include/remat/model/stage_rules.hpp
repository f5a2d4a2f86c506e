// SPDX-License-Identifier: MIT
/// The laws of stages in a model type: how their numbers go along the program, and what is within one of them.
/// rules.hpp says how a rule is written.
#pragma once

#include <remat/core/language.hpp>

namespace remat {

/// Stage `Stage`, whose number was given to module M.
template <int Stage, class M>
struct placed {
  static constexpr int stage = Stage;
};

/// The stages that a module begins and ends on.
template <int First, int Last>
struct stages {};

namespace rules {

template <class M, class Stages>
struct checkpoint_in_one_stage;
template <class M, int First, int Last>
struct checkpoint_in_one_stage<M, stages<First, Last>> {
  static constexpr bool holds = true;
  static_assert(First == Last,
                "remat: a checkpointed module that is no sequential must be within one stage; give all of it one "
                "on_stage number, or checkpoint its parts");
};

template <class M, class Stages>
struct checkpointed_child_in_one_stage;
template <class M, int First, int Last>
struct checkpointed_child_in_one_stage<M, stages<First, Last>> {
  static constexpr bool holds = true;
  static_assert(
      First == Last,
      "remat: each child of a checkpointed sequential must be within one stage; give all of the child one on_stage "
      "number, or move the checkpoint into it");
};

template <class Before, class Here>
struct stage_numbers_rise;
template <int Before, class A, int Here, class B>
struct stage_numbers_rise<placed<Before, A>, placed<Here, B>> {
  static constexpr bool holds = true;
  static_assert(
      Before <= Here,
      "remat: stage numbers must not fall along the program; give the later module the number of the earlier one, or a "
      "higher one");
};

}  // namespace rules
}  // namespace remat
