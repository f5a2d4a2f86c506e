// SPDX-License-Identifier: MIT
/// Sorting by keys, in constant expressions: by merging, with a statement for each number and round.
#pragma once

#include <remat/core/list.hpp>

#include <cstddef>

namespace remat::detail {

/// The numbers of the keys, those of the largest keys first; where two are equal, the second keys decide, then the
/// order.
constexpr core::list<int> largest_first(const core::list<std::size_t>& keys,
                                        const core::list<std::size_t>& second_keys) {
  const int count = keys.count();
  core::list<int> numbers(keys.size()), merged(keys.size());
  const std::size_t *const key = keys.data(), *const second = second_keys.data();
  int *from = numbers.data(), *to = merged.data();
  for (int i = 0; i < count; ++i) from[i] = i;
  for (int width = 1; width < count; width *= 2) {
    for (int begin = 0; begin < count; begin += 2 * width) {
      const int middle = begin + width < count ? begin + width : count;
      const int end = middle + width < count ? middle + width : count;
      for (int left = begin, right = middle, out = begin; out < end; ++out)
        to[out] = left < middle && (right == end || key[from[left]] > key[from[right]] ||
                                    (key[from[left]] == key[from[right]] && second[from[left]] >= second[from[right]]))
                      ? from[left++]
                      : from[right++];
    }
    int* const sorted = to;
    to = from;
    from = sorted;
  }
  if (from == merged.data()) return merged;
  return numbers;
}

}  // namespace remat::detail
