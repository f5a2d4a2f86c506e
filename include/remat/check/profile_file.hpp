// SPDX-License-Identifier: MIT
/// Profiles as JSON files: times that are measured once, where a model is to be trained, and read wherever it is cut.
///
///     {"batch": 64,
///      "operations": [
///        {"path": "conv1", "kind": "conv2d", "pack": 0, "forward": 0.0012, ..., "both": 0}],
///      "seconds_per_byte": {"load": 1e-10, ...}}
#pragma once

#include <remat/core/is_at_least_0.hpp>
#include <remat/core/json.hpp>
#include <remat/core/text_file.hpp>
#include <remat/plan/operation_costs.hpp>

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace remat {
namespace detail {

/// The shortest text that reads back as the same number.
inline std::string shortest_text(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

inline double require_cost(const json& members, std::string_view name, const std::string& whose,
                           const std::string& file) {
  const json* const found = members.find(name);
  double number = -1;
  if (found != nullptr) {
    if (const double* const real = found->as<double>()) number = *real;
    if (const std::uint64_t* const whole = found->as<std::uint64_t>()) number = static_cast<double>(*whole);
  }
  if (!(number >= 0) || std::isinf(number))
    throw data_error(file, whose + " has no `" + std::string(name) + "`, a number of at least 0");
  return number;
}

inline std::string text_of_cost(double cost, const std::string& file) {
  if (!is_at_least_0(cost)) throw data_error(file, "is not written: costs are numbers of at least 0");
  return shortest_text(cost);
}

inline std::string require_text(const json& members, std::string_view name, const std::string& whose,
                                const std::string& file) {
  const json* const found = members.find(name);
  if (found == nullptr || found->as<std::string>() == nullptr)
    throw data_error(file, whose + " has no `" + std::string(name) + "`, a text");
  return *found->as<std::string>();
}

}  // namespace detail

/// Writes a profile. Throws `data_error`, also for costs that are no numbers of at least 0; then an older file stays as
/// it was.
inline void write_costs(const std::filesystem::path& path, const operation_costs& costs) {
  const std::string name = path.string();
  std::string text = "{\"batch\": " + std::to_string(costs.batch) + ",\n \"operations\": [";
  for (std::size_t i = 0; i < costs.operations.size(); ++i) {
    const operation_cost& each = costs.operations[i];
    text += (i == 0 ? "\n" : ",\n") + std::string("  {\"path\": ") + json_text(each.path, name) +
            ", \"kind\": " + json_text(each.kind, name);
    for (const cost_field& field : cost_fields)
      text += ", \"" + std::string(field.name) + "\": " + detail::text_of_cost(each.*field.member, name);
    text += "}";
  }
  text += "],\n \"seconds_per_byte\": {";
  for (const movement& each : movements)
    text += (&each == movements ? "\"" : ", \"") + std::string(each.name) +
            "\": " + detail::text_of_cost(costs.per_byte[static_cast<std::size_t>(each.kind)], name);
  text += "}}\n";

  write_text_file(path, text);
}

/// Reads a profile of the fused program `p`. Throws `data_error` for a damaged file, and for one of another model.
inline operation_costs read_costs(const std::filesystem::path& path, const program& p) {
  const std::string name = path.string();
  const std::string text = read_text_file(path, "a profile that write_costs has written is needed");
  const json root = parse_json(text, name, "profile", 3);
  const json* const operations = root.find("operations");
  const json* const rates = root.find("seconds_per_byte");
  if (operations == nullptr || operations->as<json::array>() == nullptr || rates == nullptr)
    throw data_error(name,
                     "is no profile: it needs `batch`, `operations` and `seconds_per_byte`, as write_costs writes");

  operation_costs costs;
  const json* const batch = root.find("batch");
  const std::uint64_t* const samples = batch == nullptr ? nullptr : batch->as<std::uint64_t>();
  if (samples == nullptr || *samples == 0)
    throw data_error(name, "the profile has no `batch`, a whole number of at least 1");
  costs.batch = static_cast<std::size_t>(*samples);
  for (const json& entry : *operations->as<json::array>()) {
    const std::string whose = "operation " + std::to_string(costs.operations.size());
    operation_cost& each = costs.operations.emplace_back();
    each.path = detail::require_text(entry, "path", whose, name);
    each.kind = detail::require_text(entry, "kind", whose, name);
    for (const cost_field& field : cost_fields)
      each.*field.member = detail::require_cost(entry, field.name, whose, name);
  }
  for (const movement& each : movements)
    costs.per_byte[static_cast<std::size_t>(each.kind)] =
        detail::require_cost(*rates, each.name, "`seconds_per_byte`", name);
  try {
    require_costs_of(p, costs);
  } catch (const error& refused) {
    throw data_error(name, refused.what());
  }
  return costs;
}

}  // namespace remat
