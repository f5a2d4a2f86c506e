// SPDX-License-Identifier: MIT
/// Numbers in files: with a point, whatever the program's locale has.
#pragma once

#include <remat/core/language.hpp>

#include <locale.h>

namespace remat::detail {

/// While one lives, this thread's C functions write and read numbers as in the "C" locale.
class c_locale {
 public:
  c_locale() : made_(newlocale(LC_ALL_MASK, "C", nullptr)), before_(uselocale(made_)) {}
  ~c_locale() {
    uselocale(before_);
    freelocale(made_);
  }
  c_locale(const c_locale&) = delete;
  c_locale& operator=(const c_locale&) = delete;

 private:
  locale_t made_, before_;
};

}  // namespace remat::detail
