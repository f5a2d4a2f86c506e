// SPDX-License-Identifier: MIT
/// A partition by hand from a file: the map of `partition::by_path` as a JSON object.
///
///     {"features": 0, "classifier": 1, "classifier.fc2": 2}
#pragma once

#include <remat/core/json.hpp>
#include <remat/core/shown_text.hpp>
#include <remat/core/text_file.hpp>
#include <remat/partition/manual_partition.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace remat::partition {

/// Reads the file at once. Throws `data_error`, which names it, for everything that is wrong with it.
inline setting from_file(const std::filesystem::path& file) {
  const std::string name = file.string();
  const json map = parse_json(
      read_text_file(file, "a partition is a JSON object such as {\"features\": 0, \"fc1\": 1}"), name, "partition", 1);
  if (map.as<json::object>() == nullptr)
    throw data_error(name, "is no JSON object; a partition is one such as {\"features\": 0, \"fc1\": 1}");
  std::vector<std::pair<std::string, int>> stages;
  for (const auto& [path, value] : *map.as<json::object>()) {
    const std::uint64_t* const stage = value.as<std::uint64_t>();
    if (stage == nullptr || *stage > 1'000'000)
      throw data_error(name, "gives '" + remat::detail::shown_text(path) +
                                 "' no stage number; a whole number from 0 to 1000000 is accepted");
    stages.emplace_back(path, static_cast<int>(*stage));
  }
  setting s = by_path(std::move(stages));
  s.name = name;
  return s;
}

}  // namespace remat::partition
