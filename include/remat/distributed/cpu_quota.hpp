// SPDX-License-Identifier: MIT
/// A container's share of time: how many cores the control group of this process, and those around it, may keep busy.
#pragma once

#include <remat/core/language.hpp>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <string>

namespace remat::mpi {

namespace detail {

/// Quota and period of a group, in cores; 0 where there is no limit.
inline double quota_of(const std::string& folder) {
  double quota = 0, period = 0;
  if (std::ifstream second(folder + "/cpu.max"); second >> quota >> period)  // the quota is "max" where there is none
    return quota > 0 && period > 0 ? quota / period : 0;
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us"), period_file(folder + "/cpu.cfs_period_us");
  if (quota_file >> quota && period_file >> period) return quota > 0 && period > 0 ? quota / period : 0;
  return 0;
}

}  // namespace detail

/// The smallest quota from this process's group up to the root, in cores; 0: no limit. `list` says in which groups the
/// process is, and `tree` is where groups are files.
inline double cpu_quota(const std::string& list = "/proc/self/cgroup", const std::string& tree = "/sys/fs/cgroup") {
  double least = 0;
  std::ifstream groups(list);
  for (std::string line; std::getline(groups, line);) {  // number:controllers:path
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controllers != ",," && controllers.find(",cpu,") == std::string::npos) continue;
    const std::string root = controllers == ",," ? tree : tree + "/cpu";
    for (std::string path = line.substr(second + 1);; path.resize(path.rfind('/'))) {
      const double quota = detail::quota_of(root + (path == "/" ? "" : path));
      if (quota > 0) least = least == 0 ? quota : std::min(least, quota);
      if (path.empty() || path.rfind('/') == std::string::npos) break;
    }
  }
  return least;
}

}  // namespace remat::mpi
