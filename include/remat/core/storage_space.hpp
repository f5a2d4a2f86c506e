// SPDX-License-Identifier: MIT
/// Where tensors are that a storage has taken out of the arena, and how they go there and come back while the step goes
/// on.
#pragma once

#include <remat/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace remat {

/// What is to leave the arena cannot, or does not come back. The step that throws it has changed nothing but gradients.
class offload_error : public error {
 public:
  using error::error;
};

/// How many transfers are under way next to the step, in tensors. What is under way has memory in the arena.
struct transfer_window {
  int read_ahead = 2;    ///< that are on their way back, or there, when one is used
  int write_behind = 2;  ///< that may be on their way out while the next is computed
  int tasks_ahead = 1;   ///< in a pipeline: the tasks of its rank before a backward pass at which its first reads begin
  std::size_t least_bytes = std::size_t{64}
                            << 10;  ///< smaller tensors stay: a transfer takes its time whatever it moves

  constexpr bool operator==(const transfer_window&) const = default;
};

/// How many bytes a second a space takes and gives back; 0: it is not known.
struct transfer_rate {
  double write = 0, read = 0;

  constexpr bool is_known() const { return write > 0 && read > 0; }
  /// Of this many bytes, written once and read once, one after the other.
  constexpr double seconds(double bytes) const { return bytes / write + bytes / read; }
  constexpr bool operator==(const transfer_rate&) const = default;
};

/// What leaves the arena begins at multiples of this, there and in the space: a file that is read and written without
/// the system's cache asks for it.
inline constexpr std::size_t transfer_alignment = 4096;

/// Bytes outside of the arena, used by one thread at a time. Requests are done in the order in which they begin, and
/// their memory is nobody else's until they are finished. A space allocates in `reserve` alone.
class storage_space {
 public:
  virtual ~storage_space() = default;

  /// Makes room for the bytes [0, `bytes`), where it has less, and for as many requests under way; none is. Throws
  /// `error` where there is no room.
  virtual void reserve(std::size_t bytes, std::size_t requests) = 0;
  /// Begins to write, from `at` on; returns the number of the request, by which it is finished.
  virtual std::uint64_t begin_write(std::size_t at, std::span<const std::byte> from) = 0;
  /// Begins to read what was written.
  virtual std::uint64_t begin_read(std::size_t at, std::span<std::byte> to) = 0;
  /// Returns when the request is done; throws `error` where it has failed.
  virtual void finish(std::uint64_t request) = 0;
  /// After a step that has failed: nothing is under way when it returns, and new requests may begin.
  virtual void cancel() noexcept = 0;

 protected:
  storage_space() = default;
  storage_space(const storage_space&) = delete;
  storage_space& operator=(const storage_space&) = delete;
};

}  // namespace remat
