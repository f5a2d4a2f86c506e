// SPDX-License-Identifier: MIT
/// What a fuzzer makes up, as a file for readers that take paths: it is in memory, and has a path under /proc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

class fuzzed_file {
 public:
  fuzzed_file() : descriptor_(memfd_create("fuzzed", MFD_CLOEXEC)) {
    if (descriptor_ < 0) std::abort();
  }
  fuzzed_file(const fuzzed_file&) = delete;
  fuzzed_file& operator=(const fuzzed_file&) = delete;
  ~fuzzed_file() { close(descriptor_); }

  void write(const std::uint8_t* data, std::size_t size) const {
    if (ftruncate(descriptor_, 0) != 0 || pwrite(descriptor_, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
  }
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

/// Reads a file, or refuses it as a `data_error`: anything else is a finding.
template <class Error, class Read>
int read_or_refuse(const Read& read) {
  try {
    read();
  } catch (const Error& refused) {
    if (std::string(refused.what()).size() > 4096) std::abort();  // nobody reads such a message
  }
  return 0;
}
