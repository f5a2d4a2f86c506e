// SPDX-License-Identifier: MIT
/// The median of measured times, of an even number of them the larger of the two in the middle.
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace benchmarks {

inline double median(std::vector<double> times) {
  if (times.empty()) throw std::invalid_argument("there is no median of no times; measure at least once");
  std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
  return times[times.size() / 2];
}

}  // namespace benchmarks
