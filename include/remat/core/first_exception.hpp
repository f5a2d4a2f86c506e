// SPDX-License-Identifier: MIT
/// The first exception of several threads: one that leaves a parallel region would end the process.
#pragma once

#include <remat/core/language.hpp>

#include <atomic>
#include <exception>

namespace remat::detail {

class first_exception {
 public:
  /// In a handler of any thread.
  void keep() noexcept {
    if (!is_there_.test_and_set()) kept_ = std::current_exception();
  }
  /// On one thread, after the region.
  void rethrow() const {
    if (kept_) std::rethrow_exception(kept_);
  }

 private:
  std::atomic_flag is_there_;
  std::exception_ptr kept_;
};

}  // namespace remat::detail
