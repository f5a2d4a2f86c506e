// SPDX-License-Identifier: MIT
/// The header of a safetensors file: what tensors it holds, and where.
///
///     {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, "__metadata__": {...}}
///
/// A header is accepted whole or not at all.
#pragma once

#include <remat/core/element.hpp>
#include <remat/core/error.hpp>
#include <remat/core/json.hpp>
#include <remat/core/shown_text.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat {

/// A tensor as the header describes it; its bytes are [begin, end) of the data.
struct safetensor {
  std::string name;
  std::string type;  ///< "F32", "BF16", "I64"
  std::vector<std::size_t> shape;
  std::size_t begin = 0, end = 0;
  std::size_t file = 0;  ///< of several, the one that holds it

  std::size_t elements() const {
    std::size_t product = 1;
    for (const std::size_t extent : shape) product *= extent;
    return product;
  }
};

/// A shape as messages show it: "[2, 3]".
inline std::string shape_text(std::span<const std::size_t> shape) {
  std::string text;
  for (const std::size_t extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + text + "]";
}

/// What the format calls an element type.
constexpr std::string_view safetensor_type(element type) {
  constexpr std::string_view names[] = {"F32", "I32", "U8", "U32", "U64", "BF16"};
  return names[static_cast<std::size_t>(type)];
}

/// Adds a tensor to those of a file that is to be written, after the last.
inline void add_safetensor(std::vector<safetensor>& tensors, std::string name, std::vector<std::size_t> shape,
                           element type = element::float32) {
  safetensor t{.name = std::move(name), .type = std::string(safetensor_type(type)), .shape = std::move(shape)};
  t.begin = tensors.empty() ? 0 : tensors.back().end;
  t.end = t.begin + t.elements() * size_of(type);
  tensors.push_back(std::move(t));
}

/// A tensor to be written.
struct safetensor_values {
  std::string name;
  std::vector<std::size_t> shape;
  std::span<const float> values;
};

namespace detail {

/// Bits of an element of a type, or 0 for a type that remat does not know.
inline std::size_t bits_of_safetensor_type(std::string_view type) {
  using entry = std::pair<std::string_view, std::size_t>;
  static constexpr std::array<entry, 16> known{{{"BOOL", 8},
                                                {"U8", 8},
                                                {"I8", 8},
                                                {"F8_E4M3", 8},
                                                {"F8_E5M2", 8},
                                                {"F8_E8M0", 8},
                                                {"U16", 16},
                                                {"I16", 16},
                                                {"F16", 16},
                                                {"BF16", 16},
                                                {"U32", 32},
                                                {"I32", 32},
                                                {"F32", 32},
                                                {"U64", 64},
                                                {"I64", 64},
                                                {"F64", 64}}};
  const auto found = std::ranges::find(known, type, &entry::first);
  return found == known.end() ? 0 : found->second;
}

/// Of a tensor, as PyTorch's. What has more is no tensor, and would fill pages of a message.
inline constexpr std::size_t most_extents = 64;

/// One entry of the header; what is wrong with it is a `data_error`.
inline safetensor describe_safetensor(const std::string& name, const json& entry, const std::string& file) {
  const auto refuse = [&](const std::string& what) {
    throw data_error(file, "tensor '" + shown_text(name) + "' " + what);
  };
  const auto numbers = [&](const char* key) {
    const json* const found = entry.find(key);
    const json::array* const given = found == nullptr ? nullptr : found->as<json::array>();
    std::vector<std::size_t> values;
    if (given != nullptr)
      for (const json& each : *given)
        if (const std::uint64_t* const number = each.as<std::uint64_t>()) values.push_back(*number);
    if (given == nullptr || values.size() != given->size())
      refuse(std::string("needs `") + key + "`, a list of whole numbers of at least 0");
    return values;
  };
  const json::object* const members = entry.as<json::object>();
  if (members == nullptr) refuse("is described by no object with dtype, shape and data_offsets");
  const json* const dtype = entry.find("dtype");
  const std::string* const type = dtype == nullptr ? nullptr : dtype->as<std::string>();
  if (type == nullptr) refuse("needs `dtype`, a name such as \"F32\"");
  for (const auto& [key, ignored] : *members)
    if (key != "dtype" && key != "shape" && key != "data_offsets")
      refuse("has '" + shown_text(key) + "'; dtype, shape and data_offsets are accepted");

  safetensor t{.name = name, .type = *type, .shape = numbers("shape")};
  if (t.shape.size() > most_extents)
    refuse("has " + std::to_string(t.shape.size()) + " extents; at most " + std::to_string(most_extents) +
           " are accepted");
  const std::vector<std::size_t> offsets = numbers("data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1]) refuse("needs `data_offsets` [begin, end] with begin <= end");
  t.begin = offsets[0];
  t.end = offsets[1];

  const std::size_t bits = bits_of_safetensor_type(t.type);
  if (bits == 0) return t;  // only the offsets of a type of tomorrow can be checked
  std::size_t bytes = bits / 8;
  const bool is_empty = std::ranges::find(t.shape, std::size_t{0}) != t.shape.end();
  for (const std::size_t extent : t.shape) {
    if (!is_empty && extent > std::numeric_limits<std::size_t>::max() / bytes)
      refuse("of shape " + shape_text(t.shape) + " is larger than any memory");
    bytes *= extent;
  }
  if (is_empty) bytes = 0;
  if (t.end - t.begin != bytes)
    refuse("of type " + t.type + " and shape " + shape_text(t.shape) + " needs " + std::to_string(bytes) +
           " bytes, and its data_offsets [" + std::to_string(t.begin) + ", " + std::to_string(t.end) + "] hold " +
           std::to_string(t.end - t.begin));
  return t;
}

/// The tensors that a header describes, in the order of their bytes, which must be all of `data_bytes`.
inline std::vector<safetensor> parse_safetensors_header(const std::string& text, std::size_t data_bytes,
                                                        const std::string& file) {
  const auto refuse = [&](const std::string& what) { throw data_error(file, what); };
  if (text.empty() || text.front() != '{') refuse("has a header that is no JSON object; it must start with {");
  const json header = parse_json(text, file, "header", 4);
  const auto is_metadata = [](const json& entry) {
    const json::object* const members = entry.as<json::object>();
    if (members == nullptr) return entry.as<std::nullptr_t>() != nullptr;  // safetensors reads null as none
    return std::ranges::all_of(*members, [](const auto& member) { return member.second.template as<std::string>(); });
  };
  std::vector<safetensor> tensors;
  for (const auto& [name, entry] : *header.as<json::object>()) {
    if (name != "__metadata__") {
      tensors.push_back(describe_safetensor(name, entry, file));
    } else if (!is_metadata(entry)) {
      refuse("has a `__metadata__` that is no object of strings");
    }
  }
  std::ranges::sort(tensors, {}, [](const safetensor& t) { return std::pair(t.begin, t.end); });
  std::size_t covered = 0;
  for (const safetensor& t : tensors) {
    if (t.end > data_bytes)
      refuse("is truncated or damaged: tensor '" + shown_text(t.name) + "' ends at byte " + std::to_string(t.end) +
             " of the data, which has " + std::to_string(data_bytes));
    if (t.begin != covered)
      refuse("tensor '" + shown_text(t.name) + "' begins at byte " + std::to_string(t.begin) +
             " of the data, and the one before " +
             (t.begin < covered ? "it, which it overlaps, ends at " : "it ends at ") + std::to_string(covered));
    covered = t.end;
  }
  if (covered != data_bytes)
    refuse("has " + std::to_string(data_bytes - covered) + " bytes after its last tensor; none are accepted");
  return tensors;
}

/// The header of tensors that follow one another. The data begins at a multiple of 8.
inline std::string safetensors_header_of(std::span<const safetensor> tensors, const std::string& file) {
  std::string text = R"({"__metadata__":{"format":"pt"})";
  std::set<std::string> names{"__metadata__"};
  for (const safetensor& t : tensors) {
    if (!names.insert(t.name).second) throw data_error(file, "cannot hold two tensors named '" + t.name + "'");
    text += "," + json_text(t.name, file) + R"(:{"dtype":")" + t.type + R"(","shape":)" + shape_text(t.shape) +
            R"(,"data_offsets":)" + shape_text(std::array{t.begin, t.end}) + "}";
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data begins at a multiple of 8
  return text;
}

}  // namespace detail
}  // namespace remat
