// SPDX-License-Identifier: MIT
/// Bytes in quanta, in which chain solvers count memory.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>

namespace remat::detail {

/// How bytes become quanta.
enum class rounding {
  even,  ///< up or down, so that sums over many tensors are about right
  down   ///< sums are at most those of the bytes
};

/// Bytes in quanta.
class quantum {
 public:
  constexpr quantum(std::size_t bytes, rounding how) : bytes_(bytes), how_(how) {}

  constexpr bool rounds_down() const { return how_ == rounding::down; }

  constexpr int of(std::size_t bytes) {
    if (how_ == rounding::down) return static_cast<int>(bytes / bytes_);
    share_ = (share_ + 40'503) % 65'536;  // the golden ratio's: any few of them are spread over the whole
    return static_cast<int>((bytes + (bytes_ - 1) * share_ / 65'536) / bytes_);
  }

 private:
  std::size_t bytes_, share_ = 0;
  rounding how_;
};

}  // namespace remat::detail
