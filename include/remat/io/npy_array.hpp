// SPDX-License-Identifier: MIT
/// An array that numpy.save has written, read where it is needed: its file is mapped, and nothing is loaded before.
///
///     const remat::npy_array x("features.npy");
///     x.shape(), x.type();
///     x.read(0, std::span<float>(some));  // numbers 0 and what follows
///
/// What is accepted: row-major, little-endian; bool and integers, read as int32 (what is larger is refused where it is
/// read), and float16, float32 and float64, read as float.
#pragma once

#include <remat/core/error.hpp>
#include <remat/io/mapped_file.hpp>
#include <remat/io/npy_header.hpp>
#include <remat/io/number_type.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace remat {

/// Copies share the file.
class npy_array {
 public:
  /// Throws `data_error`, naming the file, for everything that is wrong with it.
  explicit npy_array(const std::filesystem::path& path)
      : file_(std::make_shared<const mapped_file>(path, "a readable .npy file is needed")) {
    constexpr std::size_t longest = std::size_t{1} << 16;  // numpy's own headers have some hundred bytes
    std::string start(std::min(file_->size(), longest), '\0');
    file_->read(start.data(), start.size(), 0);
    header_ = detail::parse_npy_header(start, file_->size(), name());
  }

  const std::string& name() const { return file_->name(); }
  number_type type() const { return header_.type; }
  std::span<const std::size_t> shape() const { return header_.shape; }
  /// Of all numbers.
  std::size_t size() const { return header_.elements(); }

  /// Throws `data_error` where the numbers are not read as T.
  template <class T>
  void require_read_as() const {
    if (!detail::is_read_as<T>(type()))
      throw data_error(name(), "holds " + std::string(name_of(type())) + ", and is to be read as " +
                                   (std::same_as<T, float> ? "float" : "int32") + "; " +
                                   std::string(detail::types_read_as<T>()) + " are accepted: x.astype(numpy." +
                                   (std::same_as<T, float> ? "float32)" : "int32)"));
  }
  /// Reads numbers `first` and what follows, in row-major order, as float or int32.
  template <class T>
    requires std::same_as<T, float> || std::same_as<T, std::int32_t>
  void read(std::size_t first, std::span<T> to) const {
    require_read_as<T>();
    if (first > size() || to.size() > size() - first)
      throw data_error(name(), "has " + std::to_string(size()) + " numbers, and " + std::to_string(to.size()) +
                                   " from " + std::to_string(first) + " on are asked for");
    detail::read_numbers(*file_, type(), header_.data, first, to);
  }

 private:
  std::shared_ptr<const mapped_file> file_;
  detail::npy_header header_;
};

}  // namespace remat
