// SPDX-License-Identifier: MIT
/// .npy files as numpy.save writes them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace npy_files {

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// A file of version 1 with this text in its header.
inline std::string file_of(std::string text, const std::string& data) {
  while ((10 + text.size() + 1) % 64 != 0) text += ' ';
  text += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(text.size() % 256) +
         static_cast<char>(text.size() / 256) + text + data;
}
template <class T>
std::string array(const std::string& descr, const std::string& shape, const std::vector<T>& values) {
  return file_of("{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }", bytes_of(values));
}

}  // namespace npy_files
