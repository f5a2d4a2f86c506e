// SPDX-License-Identifier: MIT
/// A storage (core/storage.hpp) in which what waits for the backward pass waits in a file: written while the forward
/// pass goes on, and read before the backward pass needs it. Bits are as with `keep`.
///
///     checkpoint<M, save_all, offload<file>>                                     // in TMPDIR, or /tmp
///     checkpoint_at("h", save_all{}, offload{"/scratch"})                        // the same as values
///     checkpoint_at("h", offload<file>{.path = "/scratch", .window = {.read_ahead = 4}})
///     remat::model<net, input, loss> m{{.offload_directory = "/scratch"}};       // for those that name none
///
/// A tensor is written from where it was computed and read to where it is used, so that nothing is copied: its memory
/// in the arena is free from the end of the write to the beginning of the read. What is on its way is in the plan
/// (plan/transfers.hpp). The file has no name, and is gone with the process.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/storage.hpp>
#include <remat/run/file_space.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <string_view>

namespace remat {

/// The path of a directory, which may be a template argument; empty: none is named.
struct directory_path {
  static constexpr std::size_t most = 1023;
  char characters[most + 1] = {};

  constexpr directory_path() = default;
  template <std::convertible_to<std::string_view> Text>
  constexpr directory_path(const Text& text) {  // NOLINT(google-explicit-constructor): a text is one
    const std::string_view path(text);
    if (path.size() > most)
      throw error("the path of a directory has at most 1,023 characters; name it by a shorter one");
    for (std::size_t i = 0; i < path.size(); ++i) characters[i] = path[i];
  }
  constexpr std::string_view view() const { return characters; }
  constexpr bool operator==(const directory_path& other) const { return view() == other.view(); }
};

/// A file on a disk.
struct file {};

template <class Where = file>
struct offload;

template <>
struct offload<file> {
  static constexpr std::string_view storage_name = "offload<file>";
  static constexpr bool is_lossless = true;

  directory_path path = {};  ///< where the file is; none: what the model's option says, or TMPDIR, or /tmp
  transfer_window window = {};
  transfer_rate rate = {};  ///< of the disk; none: a model that has to know it measures it

  std::unique_ptr<storage_space> open(std::string_view directory) const {
    return std::make_unique<file_space>(path.view().empty() ? directory : path.view());
  }
  constexpr bool operator==(const offload&) const = default;
};
offload()->offload<file>;
template <class Path>
offload(Path) -> offload<file>;
template <class Path>
offload(Path, transfer_window) -> offload<file>;
template <class Path>
offload(Path, transfer_window, transfer_rate) -> offload<file>;

}  // namespace remat
