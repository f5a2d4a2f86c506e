// SPDX-License-Identifier: MIT
// A partition by hand, as JSON.
#include "fuzzed_file.hpp"

#include <remat/core/error.hpp>
#include <remat/partition/partition_file.hpp>

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzzed_file file;
  file.write(data, size);
  return read_or_refuse<remat::error>([] { remat::partition::from_file(file.path()); });
}
