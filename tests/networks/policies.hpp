// SPDX-License-Identifier: MIT
/// Checkpoints as values, under which every network is trained.
#pragma once

#include "networks.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace networks {

struct policy {
  std::string_view name;
  /// Its checkpoints in a network, whose program is `p`.
  std::vector<remat::checkpoint_at> (*checkpoints)(const network& n, const remat::program& p);
  bool keeps_all = false;  ///< it never recomputes anything
};

/// All of them; the first is none.
std::span<const policy> policies();
const policy& policy_named(std::string_view name);

}  // namespace networks
