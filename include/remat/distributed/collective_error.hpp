// SPDX-License-Identifier: MIT
/// An error that every rank of a job has found, with one message: rank 0 alone prints it.
#pragma once

#include <remat/core/error.hpp>

namespace remat {

class collective_error : public error {
 public:
  using error::error;
};

}  // namespace remat
