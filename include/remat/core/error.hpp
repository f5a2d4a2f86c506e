// SPDX-License-Identifier: MIT
/// Errors: what remat throws when a user's data, files or settings cannot be accepted.
///
/// Every message names the thing that is wrong (a module path, a file, a number) and says what would be accepted. An
/// error is thrown before any work is lost: before parameters, optimizer state or files change.
#pragma once

#include <remat/core/language.hpp>

#include <stdexcept>
#include <string>

namespace remat {

/// The base of every exception that remat throws. `what()` is a full sentence without a final period.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A file or a data set that cannot be read: names the file and what is wrong with it.
class data_error : public error {
 public:
  data_error(const std::string& file, const std::string& what) : error(file + ": " + what) {}
};

}  // namespace remat
