// SPDX-License-Identifier: MIT
/// What a model computes with: as its options say, or its type.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/warning.hpp>
#include <remat/model/program.hpp>
#include <remat/nn/onednn_instructions.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace remat {

namespace warning_names {

/// A model that computes with bfloat16, on a CPU without instructions for it.
inline constexpr std::string_view computes_in_float32 = "computes_in_float32";

}  // namespace warning_names

namespace detail {

/// Throws `error` for a type that no module computes with.
inline void compute_with(program& p, const std::optional<element>& option) {
  if (option) {
    if (*option != element::float32 && *option != element::bfloat16)
      throw error("a model computes with float32 or bfloat16, and its options say " + std::string(name_of(*option)));
    p.compute = *option;
    for (module_node& n : p.nodes) n.compute = {};
  }
  bool wants = p.compute == element::bfloat16;
  for (const module_node& n : p.nodes) wants = wants || n.compute == element::bfloat16;
  if (!wants || onednn::has_bfloat16()) return;
  warn(
      warning_names::computes_in_float32,
      "This CPU, or what " + std::string(onednn::instruction_limit) +
          " leaves of it, has no instructions for bfloat16; products are computed in float32, of numbers of two bytes");
}

}  // namespace detail
}  // namespace remat
