// SPDX-License-Identifier: MIT
/// Text in constant expressions, where clang has no std::string of libstdc++ 12.
#pragma once

#include <remat/core/list.hpp>

#include <string_view>

namespace remat::core {

class text {
 public:
  constexpr text() = default;
  constexpr explicit text(std::string_view characters) { *this += characters; }

  constexpr text& operator+=(std::string_view characters) {
    for (const char c : characters) characters_.push_back(c);
    return *this;
  }
  /// In decimals; it is not negative.
  constexpr text& operator+=(int number) {
    char digits[10] = {};  // of a number below 2^31
    int first = 10;
    do {
      digits[--first] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    for (; first < 10; ++first) characters_.push_back(digits[first]);
    return *this;
  }
  constexpr std::string_view view() const { return {characters_.data(), characters_.size()}; }
  constexpr operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor): it is one

 private:
  list<char> characters_;
};

}  // namespace remat::core
