// SPDX-License-Identifier: MIT
// A .npy file: its header, and then its numbers.
#include "fuzzed_file.hpp"

#include <remat/io/npy_array.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

template <class T>
void read_all(const remat::npy_array& array) {
  std::vector<T> values(array.size());
  array.read(0, std::span(values));
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzzed_file file;
  file.write(data, size);
  return read_or_refuse<remat::data_error>([&] {
    const remat::npy_array array(file.path());
    if (array.size() * remat::size_of(array.type()) > size) std::abort();
    if (array.type() >= remat::number_type::float16)
      read_all<float>(array);
    else
      read_all<std::int32_t>(array);
  });
}
