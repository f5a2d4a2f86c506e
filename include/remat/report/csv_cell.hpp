// SPDX-License-Identifier: MIT
/// A text as a cell of a CSV file: in quotes, where it has what ends a cell (RFC 4180).
#pragma once

#include <remat/core/language.hpp>

#include <string>
#include <string_view>

namespace remat::detail {

inline std::string csv_cell(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char each : text) quoted += each == '"' ? "\"\"" : std::string(1, each);
  return quoted + "\"";
}

}  // namespace remat::detail
