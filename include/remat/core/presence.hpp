// SPDX-License-Identifier: MIT
/// Whether an object was moved from: as a member, it moves with it, and lets the object refuse what it has lost.
#pragma once

#include <remat/core/error.hpp>

#include <string>
#include <utility>

namespace remat {

class presence {
 public:
  presence() = default;
  presence(const presence&) = default;
  presence(presence&& other) noexcept : is_here_(std::exchange(other.is_here_, false)) {}
  presence& operator=(const presence&) = default;
  presence& operator=(presence&& other) noexcept {
    is_here_ = std::exchange(other.is_here_, false);  // onto itself: it stays
    return *this;
  }

  /// Throws `error` where the object, "this model", was moved from.
  void require(const char* object) const {
    if (!is_here_)
      throw error(std::string(object) + " was moved from and holds nothing; use the one that it was moved to");
  }

 private:
  bool is_here_ = true;
};

}  // namespace remat
