// SPDX-License-Identifier: MIT
/// A stage of the pipeline for a module: `on_stage<1, M>`.
///
/// The innermost number wins, and a module without a number is on the stage of the module before it (0 at the start).
/// Numbers never fall along the program.
#pragma once

#include <remat/core/module.hpp>

namespace remat {

namespace detail {

template <int Stage>
struct stage_number {
  static constexpr bool holds = true;
  static_assert(Stage >= 0, "remat: a stage number is 0 or more; number the stages from 0");
};

}  // namespace detail

/// Module M on stage `Stage`.
template <int Stage, class M>
struct on_stage : module {
  static_assert(detail::stage_number<Stage>::holds);
};

}  // namespace remat
