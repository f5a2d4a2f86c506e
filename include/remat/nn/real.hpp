// SPDX-License-Identifier: MIT
/// A number with a fraction as a template argument: `dropout<0.1>`.
#pragma once

#include <remat/core/language.hpp>

#include <type_traits>

namespace remat::nn {

/// (clang 16 and 17 take no template argument of type double, but one of a class that holds it.)
struct real {
  double value = 0;

  template <class Number>
    requires std::is_arithmetic_v<Number>
  constexpr real(Number n) : value(static_cast<double>(n)) {}  // NOLINT(google-explicit-constructor): 0.1 is meant
};

}  // namespace remat::nn
