// SPDX-License-Identifier: MIT
/// A tensor that a stage takes from other stages, or gives to them (ports.hpp).
#pragma once

#include <remat/core/list.hpp>
#include <remat/core/none.hpp>

namespace remat {

struct stage_port {
  int tensor = core::none;
  bool is_gradient = false;
  int from = core::none;    ///< the stage that it comes from, or `none`
  core::list<int> to = {};  ///< the stages that it is sent to

  constexpr bool sends() const { return !to.empty(); }
  constexpr bool receives() const { return from != core::none; }
};

}  // namespace remat
