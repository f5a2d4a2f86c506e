// SPDX-License-Identifier: MIT
/// The partition in words: a line for each module, breadth first, descending only where a module lies on several
/// stages.
///
///     Partition assignments:
///     main: 0
///     loss: 1
///     features: 0
///     classifier: 1
///
/// The whole model is `main`. A module that lies on several stages stands with that of its first operation.
#pragma once

#include <remat/model/program.hpp>
#include <remat/model/stage_range.hpp>

#include <string>
#include <utility>
#include <vector>

namespace remat {

inline std::string partition_log(const program& p) {
  std::string text = "Partition assignments:\n";
  std::vector<int> level;
  for (int n = 0; n < p.nodes.count(); n = p.nodes[n].end) level.push_back(n);
  while (!level.empty()) {
    std::vector<int> next;
    for (const int n : level) {
      const std::string path = path_of(p, n);
      const stage_range stages = stages_of(p, n);
      text += (path.empty() ? "main" : path) + ": " + std::to_string(stages.first) + "\n";
      if (stages.is_one()) continue;
      for (int c = n + 1; c < p.nodes[n].end; c = p.nodes[c].end) next.push_back(c);
    }
    level = std::move(next);
  }
  return text;
}

}  // namespace remat
