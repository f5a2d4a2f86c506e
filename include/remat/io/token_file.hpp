// SPDX-License-Identifier: MIT
/// A long text as tokens, in a file of any size, of which only what is read is in memory.
///
///     remat::token_file text("bible.txt");                                  // each byte is a token, 0 to 255
///     remat::token_file tokens("train.bin", remat::number_type::uint16);    // numbers one after another, as nanoGPT's
///     remat::token_file tokens("tokens.npy");                               // an array (N) of integers of numpy's
///
/// Tokens are read as int32, whatever the file has. token_windows.hpp makes a data set of them.
#pragma once

#include <remat/core/error.hpp>
#include <remat/io/mapped_file.hpp>
#include <remat/io/npy_array.hpp>
#include <remat/io/number_type.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace remat {

/// Copies share the file.
class token_file {
 public:
  /// The bytes of a file, or the array of a .npy file; a .bin file is given with its type. Throws `data_error`, naming
  /// the file, where it holds no tokens.
  explicit token_file(const std::filesystem::path& path) {
    if (path.extension() == ".bin")
      throw data_error(path.string(), "does not say how large its numbers are; give its token_file a number_type as "
                                      "well, uint16 for most vocabularies up to 65536");
    if (path.extension() == ".npy")
      open_array(path);
    else
      open(path, number_type::uint8);
  }
  /// Numbers of a type, little-endian, and nothing else.
  token_file(const std::filesystem::path& path, number_type type) { open(path, type); }

  const std::string& name() const { return array_ ? array_->name() : file_->name(); }
  /// The number of tokens.
  std::size_t size() const { return size_; }

  /// Reads token `first` and what follows. Throws `data_error` for a number that is no token: below 0, or no int32.
  void read(std::size_t first, std::span<std::int32_t> to) const {
    if (first > size_ || to.size() > size_ - first)
      throw data_error(name(), "has " + std::to_string(size_) + " tokens, and " + std::to_string(to.size()) + " from " +
                                   std::to_string(first) + " on are asked for");
    if (array_)
      array_->read(first, to);
    else
      detail::read_numbers(*file_, type_, 0, first, to);
    for (std::size_t i = 0; i < to.size(); ++i)
      if (to[i] < 0)
        throw data_error(name(), "has " + std::to_string(to[i]) + " at place " + std::to_string(first + i) +
                                     "; tokens of at least 0 are accepted");
  }

 private:
  void open(const std::filesystem::path& path, number_type type) {
    file_ = std::make_shared<const mapped_file>(path, "a readable file of tokens is needed");
    type_ = type;
    size_ = file_->size() / size_of(type);
    const std::string kind(name_of(type));
    if (!detail::is_read_as<std::int32_t>(type))
      throw data_error(name(), "cannot hold tokens as " + kind + "; integers such as uint16 are accepted");
    if (path.extension() == ".npy")
      throw data_error(name(), "is a .npy file, which says itself what it holds; give no number_type with it");
    if (file_->size() == 0 || file_->size() % size_of(type) != 0)
      throw data_error(name(), "has " + std::to_string(file_->size()) + " bytes; a multiple of " +
                                   std::to_string(size_of(type)) + ", above 0, is accepted as tokens of " + kind);
  }
  void open_array(const std::filesystem::path& path) {
    array_.emplace(path);
    size_ = array_->size();
    if (array_->shape().size() != 1)
      throw data_error(name(),
                       "has rank " + std::to_string(array_->shape().size()) +
                           "; an array of tokens of rank 1, (N), is accepted (npy_set reads samples of tokens)");
    array_->require_read_as<std::int32_t>();
  }

  std::shared_ptr<const mapped_file> file_;  // null where array_ has the tokens
  std::optional<npy_array> array_;
  number_type type_ = number_type::uint8;
  std::size_t size_ = 0;
};

}  // namespace remat
