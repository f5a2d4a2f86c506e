// SPDX-License-Identifier: MIT
/// Ranks as a message names them: `rank 1`, `ranks 1 and 3`, `ranks 1, 2, 3, 4 and 12 more`.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>
#include <span>
#include <string>

namespace remat {

inline std::string text_of_ranks(std::span<const int> ranks) {
  constexpr std::size_t most = 8;
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  const std::size_t named = ranks.size() <= most ? ranks.size() : most - 1;
  for (std::size_t i = 0; i < named; ++i) {
    if (i > 0) text += i + 1 == ranks.size() ? " and " : ", ";
    text += std::to_string(ranks[i]);
  }
  if (named < ranks.size()) text += " and " + std::to_string(ranks.size() - named) + " more";
  return text;
}

}  // namespace remat
