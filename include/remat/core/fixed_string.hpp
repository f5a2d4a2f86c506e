// SPDX-License-Identifier: MIT
/// A string that can be a template argument: the name in `named<"conv1", M>`.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>
#include <string_view>

namespace remat {

template <std::size_t N>
struct fixed_string {
  char characters[N] = {};

  constexpr fixed_string(const char (&text)[N]) {  // NOLINT(google-explicit-constructor): a literal is meant
    for (std::size_t i = 0; i < N; ++i) characters[i] = text[i];
  }
  constexpr std::string_view view() const { return {characters, N - 1}; }
};

}  // namespace remat
