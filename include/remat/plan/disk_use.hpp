// SPDX-License-Identifier: MIT
/// What budgets take out of the arena, where they may (disk_search.hpp).
#pragma once

#include <remat/core/list.hpp>

namespace remat {

struct disk_use {
  static constexpr int as_windows_say = 1'000'000;

  core::list<int> tensors = {};
  int most_under_way = as_windows_say;  ///< tensors in each direction, where windows allow more
  bool aligns = true;                   ///< all buffers, where what is moved is large
  int operations_a_transfer = 4;        ///< that run while one is under way, at most, for each tensor of its window
};

}  // namespace remat
