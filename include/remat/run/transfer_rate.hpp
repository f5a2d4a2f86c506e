// SPDX-License-Identifier: MIT
/// How fast a disk takes what leaves the arena, and gives it back: measured once for each directory in a process.
#pragma once

#include <remat/run/file_space.hpp>
#include <remat/run/memory_block.hpp>
#include <remat/run/unlinked_file.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

namespace remat {

/// Bytes a second.
struct transfer_rate {
  double write = 0, read = 0;

  /// Of this many bytes, written once and read once, one after the other.
  double seconds(double bytes) const { return bytes / write + bytes / read; }
};

namespace detail {

/// Writes and reads 128 MiB in tensors of 8, two of which are under way, twice: the first time takes room on the disk.
inline transfer_rate measure_transfer_rate(const std::string& directory) {
  constexpr std::size_t piece = std::size_t{8} << 20, pieces = 16;
  const memory_block memory(2 * piece);  // in large pages, as an arena is: small ones take twice as long
  for (std::size_t i = 0; i < memory.size(); ++i) memory.data()[i] = static_cast<std::byte>(i * 2654435761u >> 13);
  file_space space(directory);
  space.reserve(piece * pieces, 4);
  transfer_rate best;
  for (int pass = 0; pass < 2; ++pass)
    for (const bool writes : {true, false}) {
      const auto begin = std::chrono::steady_clock::now();
      std::uint64_t before = 0;
      for (std::size_t k = 0; k < pieces; ++k) {
        const std::span<std::byte> here = memory.bytes().subspan(k % 2 * piece, piece);
        const std::uint64_t now = writes ? space.begin_write(k * piece, here) : space.begin_read(k * piece, here);
        if (before != 0) space.finish(before);
        before = now;
      }
      space.finish(before);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      double& rate = writes ? best.write : best.read;
      rate = std::max(rate, static_cast<double>(piece * pieces) / took.count());
    }
  return best;
}

}  // namespace detail

/// Of the disk of a directory; empty: TMPDIR, or /tmp. The first call writes and reads 256 MB there and takes as long as that
/// takes. Throws `offload_error` where that is not possible.
inline transfer_rate measured_transfer_rate(std::string_view directory = {}) {
  static std::mutex mutex;
  static std::map<std::string, transfer_rate, std::less<>> known;
  const std::string where = directory.empty() ? temporary_directory() : std::string(directory);
  const std::lock_guard lock(mutex);
  const auto found = known.find(where);
  return found != known.end() ? found->second
                              : known.emplace(where, detail::measure_transfer_rate(where)).first->second;
}

}  // namespace remat
