// SPDX-License-Identifier: MIT
// The index of weights in several files: no file that it names leaves its folder.
#include "fuzzed_file.hpp"

#include <remat/io/tensor_index.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  return read_or_refuse<remat::data_error>([&] {
    const remat::detail::tensor_index index = remat::detail::parse_tensor_index(text, "index.json");
    for (const auto& [name, number] : index.file_of)
      if (number >= index.files.size()) std::abort();
    for (const std::string& file : index.files) {
      const std::string normal = ("/folder" / std::filesystem::path(file)).lexically_normal().string();
      if (!normal.starts_with("/folder/") || file.find('\0') != std::string::npos) std::abort();
    }
  });
}
