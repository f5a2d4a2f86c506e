// SPDX-License-Identifier: MIT
/// Numbers in files, as the scripts of these tests read and write them.
#pragma once

#include <remat/core/error.hpp>

#include <filesystem>
#include <fstream>
#include <span>
#include <vector>

template <class T>
std::vector<T> read_numbers(const std::filesystem::path& file) {
  std::vector<T> values(std::filesystem::file_size(file) / sizeof(T));
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
  if (!in) throw remat::error("cannot read " + file.string());
  return values;
}

inline void write_numbers(const std::filesystem::path& file, std::span<const float> values) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
  if (!out.flush()) throw remat::error("cannot write " + file.string());
}
