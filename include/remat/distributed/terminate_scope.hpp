// SPDX-License-Identifier: MIT
/// What the program does with exceptions that nobody catches, while this lives.
#pragma once

#include <remat/core/language.hpp>

#include <exception>

namespace remat::mpi::detail {

class terminate_scope {
 public:
  explicit terminate_scope(std::terminate_handler handler) : previous_(std::set_terminate(handler)) {}
  terminate_scope(const terminate_scope&) = delete;
  terminate_scope& operator=(const terminate_scope&) = delete;
  ~terminate_scope() { std::set_terminate(previous_); }

 private:
  std::terminate_handler previous_;
};

}  // namespace remat::mpi::detail
