// SPDX-License-Identifier: MIT
/// Programs with random trees of modules, some of them checkpointed.
#pragma once

#include "tree.hpp"

#include "schedule/property.hpp"

#include <cstddef>
#include <utility>
#include <vector>

/// A model of up to 24 operations: sequentials, blocks and layers, up to four levels deep. A checkpoint has one of
/// `settings`.
class random_tree {
 public:
  explicit random_tree(std::vector<remat::checkpoint_setting> settings) : settings_(std::move(settings)) {
    made_.open("", true, draw(0, 2) == 0 ? tree::checkpoints{setting()} : tree::checkpoints{});
    fill(1);
    made_.close().layer("loss");
  }
  remat::program program() const { return made_.program(); }

 private:
  const remat::checkpoint_setting& setting() const {
    return settings_[static_cast<std::size_t>(draw(0, static_cast<int>(settings_.size())))];
  }

  void fill(int level) {
    const int children = draw(1, 6);
    for (int c = 0; c < children; ++c) {
      const bool is_layer = level == 4 || operations_ >= 16 || draw(0, 3) == 0;
      const bool is_sequential = !is_layer && draw(0, 3) != 0;
      const remat::checkpoint_setting around =
          is_layer || !is_sequential ? remat::setting_of<remat::recompute_all> : setting();
      const int checkpoints = draw(0, 4);  // two, one, or none
      const auto add = [&](tree::checkpoints given) {
        if (is_layer) {
          const int operations = draw(0, operations_ >= 18 ? 2 : 3);
          operations_ += operations;
          made_.layer("", given, operations_ == 0 ? ++operations_ : operations);
        } else {
          made_.open("", is_sequential, given);
          fill(level + 1);
          made_.close();
        }
      };
      if (checkpoints == 3)
        add({around, around});
      else if (checkpoints == 2)
        add({around});
      else
        add({});
    }
  }

  std::vector<remat::checkpoint_setting> settings_;
  tree made_;
  int operations_ = 0;
};
