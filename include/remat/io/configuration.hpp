// SPDX-License-Identifier: MIT
/// The config.json next to published weights. Their names and shapes do not show what is computed with them: a Mistral
/// has those of a Llama, and a RoBERTa those of a BERT. Where the configuration says something else than the model,
/// there is a warning, `other_configuration` by name; what it does not say is not compared.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/json.hpp>
#include <remat/core/shown_text.hpp>
#include <remat/core/text_file.hpp>
#include <remat/core/warning.hpp>
#include <remat/core/weight_names.hpp>
#include <remat/io/tensor_files.hpp>
#include <remat/run/tensor_list.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>

namespace remat::detail {

/// A configuration's value of a key, at its top or in the objects in which files have a rotary embedding's.
inline const json* value_of_key(const json& whole, std::string_view key) {
  for (const json* const some : {&whole, whole.find("rope_parameters"), whole.find("rope_scaling")})
    if (some != nullptr)
      if (const json* const found = some->find(key)) return found;
  return nullptr;
}

/// "rope_theta is 1e+06 and here 10000"; nothing where it is as it should be, or not there.
inline std::string difference(const json& whole, const config_entry& expected) {
  const json* const found = value_of_key(whole, expected.key);
  if (found == nullptr) return {};
  std::ostringstream text;
  text << expected.key << " is ";
  if (!expected.text.empty()) {
    const std::string* const word = found->as<std::string>();
    if (word == nullptr || *word == expected.text) return {};
    text << "'" << shown_text(*word) << "' and here '" << expected.text << "'";
    return text.str();
  }
  const std::uint64_t* const whole_number = found->as<std::uint64_t>();
  const double* const other_number = found->as<double>();
  if (whole_number == nullptr && other_number == nullptr) return {};
  const double number = whole_number != nullptr ? static_cast<double>(*whole_number) : *other_number;
  if (std::abs(number - expected.number) <= 1e-6 * std::abs(expected.number)) return {};
  text << number << " and here " << expected.number;
  return text.str();
}

/// What the configuration says of another model than that of these names; nothing where it says nothing else.
inline std::string differences(const json& whole, const weight_names& names) {
  const json* const type = whole.find("model_type");
  const std::string* const found = type == nullptr ? nullptr : type->as<std::string>();
  if (found == nullptr || names.model_types[0].empty()) return {};
  std::string all;
  if (std::ranges::find(names.model_types, std::string_view(*found)) == names.model_types.end())
    all = "model_type is '" + shown_text(*found) + "' and here '" + std::string(names.model_types[0]) + "'";
  for (const config_entry& each : names.configuration)
    if (const std::string one = each.key.empty() ? "" : difference(whole, each); !one.empty())
      all += (all.empty() ? "" : ", ") + one;
  return all;
}

/// Warns where a config.json next to the files says something else than the model.
inline void compare_configuration(const tensor_files& files, const tensor_list& tensors) {
  if (files.paths().empty()) return;
  const std::filesystem::path path = files.paths().front().parent_path() / "config.json";
  std::error_code none;
  if (!std::filesystem::is_regular_file(path, none)) return;
  try {
    const json whole = parse_json(read_text_file(path), path.string(), "configuration", 64);
    for (const weight_scope& each : tensors.weight_scopes())
      if (const std::string all = differences(whole, *each.names); !all.empty())
        warn(warning_names::other_configuration,
             shown_text(path.string()) + " is of another model than this one: " + all +
                 "; the weights have the same names and shapes, and what is computed with them differs");
  } catch (const data_error&) {  // what is there is no configuration
  }
}

}  // namespace remat::detail
