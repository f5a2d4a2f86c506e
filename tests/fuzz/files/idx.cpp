// SPDX-License-Identifier: MIT
// An IDX file, plain or gzip.
#include "fuzzed_file.hpp"

#include <remat/io/idx.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzzed_file file;
  file.write(data, size);
  return read_or_refuse<remat::data_error>([] {
    const remat::idx_array array = remat::read_idx(file.path());
    std::size_t expected = 1;
    for (const std::uint32_t extent : array.extents) expected *= extent;
    if (array.bytes.size() != expected) std::abort();
  });
}
