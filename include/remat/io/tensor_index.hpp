// SPDX-License-Identifier: MIT
/// The index of weights that are spread over several safetensors files, as Hugging Face writes it next to them:
///
///     model.safetensors.index.json       {"metadata": {...}, "weight_map": {"name": "model-00001-of-00002.safetensors"}}
///
/// The index is not trusted: every file that it names is in its own folder, or below.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/json.hpp>
#include <remat/core/shown_text.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace remat::detail {

/// Which file holds each tensor.
struct tensor_index {
  std::vector<std::string> files;  ///< in the order of their names, relative to the folder of the index
  std::map<std::string, std::size_t> file_of;
};

/// Whether a path, which need not be there, leaves the folder that it is relative to. (A link within the folder may
/// point anywhere: who can make one can as well write the weights.)
inline bool leaves_its_folder(const std::filesystem::path& path) {
  return path.has_root_path() || std::ranges::any_of(path, [](const auto& part) { return part == ".."; });
}

/// `file` is what messages call the index. Throws `data_error` for everything that is wrong with it.
inline tensor_index parse_tensor_index(const std::string& text, const std::string& file) {
  const json whole = parse_json(text, file, "weights index", 16);
  const json* const map = whole.find("weight_map");
  if (map == nullptr || map->as<json::object>() == nullptr)
    throw data_error(file,
                     "is no index of weights; {\"weight_map\": {\"name of a tensor\": \"its file.safetensors\"}} is "
                     "accepted");
  std::map<std::string, std::size_t> number_of;
  for (const auto& [name, value] : *map->as<json::object>()) {
    const std::string* const shard = value.as<std::string>();
    const auto refuse = [&](const std::string& what) {
      throw data_error(file, "has '" + shown_text(name) + "' in " + what);
    };
    if (shard == nullptr) refuse("what is no name of a file; \"model-00001-of-00002.safetensors\" is one");
    if (shard->empty() || shard->find('\0') != std::string::npos) refuse("a file without a name");
    if (leaves_its_folder(*shard))
      refuse("'" + shown_text(*shard) + "', which leaves the folder of the index; files in that folder are accepted");
    number_of.emplace(*shard, 0);
  }
  tensor_index index;
  for (auto& [shard, number] : number_of) {
    number = index.files.size();
    index.files.push_back(shard);
  }
  for (const auto& [name, value] : *map->as<json::object>())
    index.file_of.emplace(name, number_of.at(*value.as<std::string>()));
  return index;
}

}  // namespace remat::detail
