// SPDX-License-Identifier: MIT
/// A limit on the size of files, as `ulimit -f` sets it.
#pragma once

#include <sys/resource.h>

/// While it lives, no file may grow beyond these bytes.
class file_limit {
 public:
  explicit file_limit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~file_limit() { setrlimit(RLIMIT_FSIZE, &before_); }
  file_limit(const file_limit&) = delete;
  file_limit& operator=(const file_limit&) = delete;

 private:
  rlimit before_ = {};
};
