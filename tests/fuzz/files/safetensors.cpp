// SPDX-License-Identifier: MIT
// A safetensors file: its header, and then every tensor in it, whole and in part.
#include "fuzzed_file.hpp"

#include <remat/io/safetensors_file.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzzed_file file;
  file.write(data, size);
  return read_or_refuse<remat::data_error>([] {
    const remat::safetensors_file opened(file.path());
    std::size_t covered = 0;
    for (const remat::safetensor& t : opened.tensors()) {
      if (t.begin != covered || t.end < t.begin) std::abort();
      covered = t.end;
      if (!remat::safetensors_file::is_readable(t.type)) continue;
      std::vector<float> values(t.elements());
      opened.read(t, values);
      const std::size_t first = values.size() / 2;
      std::vector<float> rest(values.size() - first);
      opened.read_part(t, remat::element::float32, first, std::as_writable_bytes(std::span(rest)));
      const auto is_same = [](float a, float b) { return a == b || (a != a && b != b); };
      if (!std::equal(rest.begin(), rest.end(), values.begin() + static_cast<std::ptrdiff_t>(first), is_same)) std::abort();
    }
  });
}
