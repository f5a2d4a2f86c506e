// SPDX-License-Identifier: MIT
/// The safetensors files that a path names, read as if they were one.
///
///     "model.safetensors"                  that file
///     "model.safetensors.index.json"       the files that the index names (tensor_index.hpp)
///     "folder"                             its model.safetensors, or its model.safetensors.index.json; where it has
///                                          neither, the only index in it, or else the only *.safetensors
///
/// All headers are checked, and the index against them, before a tensor is read. What a file holds beyond the index is
/// not there.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/shown_text.hpp>
#include <remat/core/text_file.hpp>
#include <remat/io/safetensors_file.hpp>
#include <remat/io/tensor_index.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace remat {

namespace detail {

/// The file that a folder's weights begin with.
inline std::filesystem::path weights_in_folder(const std::filesystem::path& folder) {
  constexpr std::array<std::string_view, 2> endings{".safetensors.index.json", ".safetensors"};
  constexpr const char* accepted =
      "; it is a folder, and one with a model.safetensors or a model.safetensors.index.json is needed";
  std::array<std::vector<std::string>, 2> found;
  std::vector<std::string> usual;
  std::error_code failed;
  for (std::filesystem::directory_iterator each(folder, failed), end; !failed && each != end; each.increment(failed)) {
    const std::string name = each->path().filename().string();
    for (std::size_t i = 0; i < endings.size(); ++i) {
      if (name.ends_with(endings[i])) found[i].push_back(name);
      if (name == "model" + std::string(endings[i])) usual.push_back(name);
    }
  }
  if (failed) throw data_error(folder.string(), "cannot be read (" + failed.message() + ")" + accepted);
  const std::vector<std::string>& candidates = !usual.empty() ? usual : found[0].empty() ? found[1] : found[0];
  if (candidates.empty()) throw data_error(folder.string(), std::string("holds no weights") + accepted);
  if (candidates.size() > 1)
    throw data_error(folder.string(), "holds '" + shown_text(std::min(candidates[0], candidates[1])) + "' and '" +
                                          shown_text(std::max(candidates[0], candidates[1])) +
                                          "', and either may be meant; give the path of the one that is");
  return folder / candidates.front();
}

}  // namespace detail

class tensor_files {
 public:
  /// Throws `data_error`, naming the file, for everything that is wrong with one of them.
  explicit tensor_files(const std::filesystem::path& path) {
    std::error_code ignored;
    const std::filesystem::path first =
        std::filesystem::is_directory(path, ignored) ? detail::weights_in_folder(path) : path;
    name_ = first.string();
    if (name_.ends_with(".json")) {
      open(first.parent_path(),
           detail::parse_tensor_index(read_text_file(first, "a readable index of weights is needed"), name_));
    } else {
      paths_.push_back(first);
      files_.emplace_back(first);
      tensors_.assign(files_[0].tensors().begin(), files_[0].tensors().end());
    }
  }

  /// Of the file, or of the index.
  const std::string& name() const { return name_; }
  std::span<const std::filesystem::path> paths() const { return paths_; }
  std::span<const safetensors_file> files() const { return files_; }
  /// All tensors, file by file in the order of their bytes.
  std::span<const safetensor> tensors() const { return tensors_; }

  /// As safetensors_file::read_part.
  void read_part(const safetensor& t, element as, std::size_t first, std::span<std::byte> to) const {
    files_[t.file].read_part(t, as, first, to);
  }

  /// Whether two tensors have the same shape and bytes, or are of two types and the same as floats.
  bool has_equal(const safetensor& a, const safetensor& b) const {
    if (a.shape != b.shape) return false;
    if (a.type != b.type)
      return safetensors_file::is_readable(a.type) && safetensors_file::is_readable(b.type) && has_equal_floats(a, b);
    if (a.end - a.begin != b.end - b.begin) return false;
    std::array<std::byte, 16384> of_a, of_b;
    for (std::size_t at = 0; at < a.end - a.begin; at += of_a.size()) {
      const std::size_t count = std::min(of_a.size(), a.end - a.begin - at);
      files_[a.file].read_bytes(a, at, std::span(of_a).first(count));
      files_[b.file].read_bytes(b, at, std::span(of_b).first(count));
      if (!std::equal(of_a.begin(), of_a.begin() + static_cast<std::ptrdiff_t>(count), of_b.begin())) return false;
    }
    return true;
  }

 private:
  bool has_equal_floats(const safetensor& a, const safetensor& b) const {
    std::array<float, 4096> of_a, of_b;
    for (std::size_t at = 0; at < a.elements(); at += of_a.size()) {
      const std::size_t count = std::min(of_a.size(), a.elements() - at);
      read_part(a, element::float32, at, std::as_writable_bytes(std::span(of_a).first(count)));
      read_part(b, element::float32, at, std::as_writable_bytes(std::span(of_b).first(count)));
      if (!std::equal(of_a.begin(), of_a.begin() + static_cast<std::ptrdiff_t>(count), of_b.begin())) return false;
    }
    return true;
  }

  void open(const std::filesystem::path& folder, detail::tensor_index index) {
    for (const std::string& file : index.files) {
      paths_.push_back(folder / file);
      files_.emplace_back(paths_.back());
      for (safetensor t : files_.back().tensors()) {
        const auto listed = index.file_of.find(t.name);
        if (listed == index.file_of.end() || listed->second + 1 != files_.size()) continue;
        index.file_of.erase(listed);
        t.file = files_.size() - 1;
        tensors_.push_back(std::move(t));
      }
    }
    if (!index.file_of.empty()) {
      const auto& [name, file] = *index.file_of.begin();
      throw data_error(name_, "has '" + detail::shown_text(name) + "' in '" + detail::shown_text(index.files[file]) +
                                  "', which holds no tensor of this name");
    }
  }

  std::string name_;
  std::vector<std::filesystem::path> paths_;
  std::vector<safetensors_file> files_;
  std::vector<safetensor> tensors_;
};

}  // namespace remat
