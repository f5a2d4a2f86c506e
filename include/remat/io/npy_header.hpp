// SPDX-License-Identifier: MIT
/// The header of a .npy file, as numpy.save writes it:
///
///     byte 0 to 5     \x93NUMPY
///     byte 6, 7       version, 1.0 to 3.0
///     then            the length of the text, 2 bytes (version 1) or 4, little-endian
///     text            {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), }
///     then            the numbers, row-major, and nothing after them
///
/// The header is not trusted.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/shown_text.hpp>
#include <remat/io/number_type.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace remat::detail {

struct npy_header {
  number_type type = number_type::float32;
  std::vector<std::size_t> shape;
  std::size_t data = 0;  ///< where the numbers begin

  std::size_t elements() const {
    std::size_t product = 1;
    for (const std::size_t extent : shape) product *= extent;
    return product;
  }
};

/// Reads the text, a dictionary of Python's of which three entries are known.
class npy_dictionary {
 public:
  npy_dictionary(std::string_view text, const std::string& file) : left_(text), file_(file) {}

  npy_header read() {
    npy_header header;
    bool has_type = false, has_order = false, has_shape = false;
    require('{');
    while (!takes('}')) {
      const std::string key = quoted();
      require(':');
      bool& is_there = key == "descr" ? has_type : key == "fortran_order" ? has_order : has_shape;
      if (is_there || (key != "descr" && key != "fortran_order" && key != "shape"))
        refuse("has '" + shown_text(key) + "' in its header; descr, fortran_order and shape are accepted, once each");
      is_there = true;
      if (key == "descr") header.type = type();
      if (key == "fortran_order") require_rows();
      if (key == "shape") header.shape = shape();
      if (takes('}')) break;
      require(',');
    }
    skip_spaces();
    if (!left_.empty() || !has_type || !has_order || !has_shape)
      refuse("has a header that is not {'descr': ..., 'fortran_order': ..., 'shape': ...}");
    return header;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const { throw data_error(file_, what); }

  void skip_spaces() { left_.remove_prefix(std::min(left_.find_first_not_of(" \t\r\n"), left_.size())); }
  bool takes(char c) {
    skip_spaces();
    if (!left_.starts_with(c)) return false;
    left_.remove_prefix(1);
    return true;
  }
  void require(char c) {
    if (!takes(c))
      refuse("has a header that is no dictionary of Python's: '" + shown_text(left_) + "' is where a " + c +
             " should be");
  }

  std::string quoted() {
    skip_spaces();
    const char quote = left_.starts_with('"') ? '"' : '\'';
    require(quote);
    const std::size_t end = left_.find(quote);
    if (end == std::string_view::npos) refuse("has a header that ends within a name");
    const std::string name(left_.substr(0, end));
    left_.remove_prefix(end + 1);
    return name;
  }

  number_type type() {
    skip_spaces();
    if (left_.starts_with('[')) refuse("holds records of several fields; an array of numbers is accepted");
    const std::string descr = quoted();
    const auto found = std::ranges::find(number_table, descr, &number_facts::descr);
    if (descr.starts_with('>'))
      refuse("is big-endian ('" + shown_text(descr) +
             "'); little-endian numbers are accepted: x.astype(x.dtype.newbyteorder('<'))");
    if (found == number_table.end())
      refuse("holds numbers of type '" + shown_text(descr) +
             "'; bool, integers of 8 to 64 bits, float16, float32 and float64 are accepted");
    return static_cast<number_type>(found - number_table.begin());
  }

  void require_rows() {
    skip_spaces();
    if (left_.starts_with("True"))
      refuse("is in Fortran's order; row-major arrays are accepted: numpy.ascontiguousarray(x)");
    if (!left_.starts_with("False")) refuse("has a fortran_order that is neither True nor False");
    left_.remove_prefix(5);
  }

  std::vector<std::size_t> shape() {
    std::vector<std::size_t> extents;
    require('(');
    while (!takes(')')) {
      extents.push_back(number());
      if (extents.size() > 32) refuse("has more than 32 extents; up to 32, as numpy has, are accepted");
      if (takes(')')) break;
      require(',');
    }
    return extents;
  }
  std::size_t number() {
    skip_spaces();
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    std::size_t value = 0, digits = 0;
    for (; !left_.empty() && left_.front() >= '0' && left_.front() <= '9'; ++digits, left_.remove_prefix(1)) {
      const auto digit = static_cast<std::size_t>(left_.front() - '0');
      if (value > (most - digit) / 10) refuse("has an extent that is larger than any memory");
      value = value * 10 + digit;
    }
    if (digits == 0) refuse("has a shape with '" + shown_text(left_.substr(0, 8)) + "'; whole numbers are accepted");
    return value;
  }

  std::string_view left_;
  const std::string& file_;
};

/// Of a file of `size` bytes, of which these are the first: all of them, or as many as a header may have.
inline npy_header parse_npy_header(std::string_view start, std::size_t size, const std::string& file) {
  const auto refuse = [&](const std::string& what) { throw data_error(file, what); };
  constexpr std::string_view magic = "\x93NUMPY";
  if (!start.starts_with(magic)) refuse("is no .npy file: it does not start with \\x93NUMPY");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(start[i])); };
  const std::size_t version = start.size() > 7 ? byte(6) : 0, width = version == 1 ? 2 : 4;
  if (start.size() < 8 + width) refuse("is truncated: it ends in its header");
  if (version < 1 || version > 3)
    refuse("is of version " + std::to_string(version) + " of the format; versions 1 to 3 are accepted");
  std::size_t length = 0;
  for (std::size_t i = 0; i < width; ++i) length |= byte(8 + i) << 8 * i;
  if (length > start.size() - 8 - width)
    refuse("is truncated, or has too long a header: " + std::to_string(length) + " bytes are announced, and " +
           std::to_string(start.size() - 8 - width) + " are there");
  npy_header header = npy_dictionary(start.substr(8 + width, length), file).read();
  header.data = 8 + width + length;

  std::string written;
  for (const std::size_t extent : header.shape) written += (written.empty() ? "" : ", ") + std::to_string(extent);
  std::size_t bytes = facts_of(header.type).bytes;
  for (const std::size_t extent : header.shape) {
    if (extent == 0) refuse("has shape (" + written + "); every extent must be at least 1");
    if (extent > std::numeric_limits<std::size_t>::max() / bytes)
      refuse("has shape (" + written + "), which is larger than any memory");
    bytes *= extent;
  }
  if (bytes != size - header.data)
    refuse("has shape (" + written + ") of " + std::string(facts_of(header.type).name) + ", which takes " +
           std::to_string(bytes) + " bytes, and has " + std::to_string(size - header.data) + " after its header");
  return header;
}

}  // namespace remat::detail
