// SPDX-License-Identifier: MIT
/// A file without a name, which is gone when the process ends, however it ends. It is read and written without the
/// system's cache where the file system can (O_DIRECT): what is larger than memory would push everything else out of
/// it.
///
/// O_DIRECT wants addresses, places and sizes in whole blocks. What is not goes through a buffer of the file's own: the
/// end of a tensor, and memory that begins elsewhere. Writing may raise SIGXFSZ in the calling thread (RLIMIT_FSIZE),
/// and is for one that blocks it (file_space.hpp).
#pragma once

#include <remat/core/storage_space.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace remat {

/// The directory of a file that wants none: TMPDIR, or /tmp.
inline std::string temporary_directory() {
  const char* const given = std::getenv("TMPDIR");
  return given != nullptr && *given != '\0' ? given : "/tmp";
}

class unlinked_file {
 public:
  /// In this directory; empty: the temporary one. Throws `offload_error` where there can be none.
  explicit unlinked_file(std::string_view directory)
      : directory_(directory.empty() ? temporary_directory() : std::string(directory)),
        bounce_(static_cast<std::byte*>(::operator new(bounce_bytes, boundary))) {
    open();
  }
  unlinked_file(const unlinked_file&) = delete;
  unlinked_file& operator=(const unlinked_file&) = delete;
  ~unlinked_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  const std::string& directory() const { return directory_; }
  /// Whether the system's cache is left out.
  bool is_direct() const { return is_direct_; }

  /// Takes room on the disk, where the file system can.
  void reserve(std::size_t bytes) {
    while (::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)) != 0) {
      if (errno == EINTR) continue;
      if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) return;  // a write says it
      fail(std::to_string((bytes + 999'999) / 1'000'000) + " MB cannot be reserved");
    }
  }
  /// `at` is a multiple of `transfer_alignment`. Writes up to the next one: what follows there is not kept.
  void write(std::size_t at, std::span<const std::byte> from) {
    move(from, [&](std::size_t done, std::size_t bytes) {
      std::byte* const whole = const_cast<std::byte*>(from.data()) + done;  // it is read
      const bool bounces = bounces_at(whole, bytes);
      if (bounces) {
        bytes = std::min(bytes, bounce_bytes);
        std::memcpy(bounce_.get(), whole, bytes);
        std::memset(bounce_.get() + bytes, 0, rounded(bytes) - bytes);
      }
      transfer(at + done, bounces ? bounce_.get() : whole, rounded(bytes), true);
      return bytes;
    });
  }
  /// The same, of what was written there.
  void read(std::size_t at, std::span<std::byte> to) {
    move(to, [&](std::size_t done, std::size_t bytes) {
      std::byte* const whole = to.data() + done;
      const bool bounces = bounces_at(whole, bytes);
      if (bounces) bytes = std::min(bytes, bounce_bytes);
      transfer(at + done, bounces ? bounce_.get() : whole, rounded(bytes), false);
      if (bounces) std::memcpy(whole, bounce_.get(), bytes);
      return bytes;
    });
  }

 private:
  static constexpr std::size_t block = transfer_alignment, bounce_bytes = 64 * block;
  static constexpr std::align_val_t boundary{block};
  struct release {
    void operator()(std::byte* p) const { ::operator delete(p, boundary); }
  };

  static constexpr std::size_t rounded(std::size_t bytes) { return (bytes + block - 1) / block * block; }
  static bool bounces_at(const std::byte* memory, std::size_t bytes) {
    return reinterpret_cast<std::uintptr_t>(memory) % block != 0 || bytes % block != 0;
  }

  void open() {
    descriptor_ = ::open(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (descriptor_ < 0) {  // a file system without such files
      std::string name = directory_ + "/remat-offload-XXXXXX";
      descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
      if (descriptor_ < 0) fail("no file can be made");
      ::unlink(name.c_str());
    }
    const int flags = ::fcntl(descriptor_, F_GETFL);
    is_direct_ = flags >= 0 && ::fcntl(descriptor_, F_SETFL, flags | O_DIRECT) == 0;
  }

  /// Whole blocks from and to the memory itself, and the rest, or all of memory that begins elsewhere, through the
  /// buffer.
  template <class Piece>
  static void move(std::span<const std::byte> memory, const Piece& piece) {
    constexpr std::size_t most = std::size_t{1} << 30;  // in one call of the system
    for (std::size_t done = 0; done < memory.size();) {
      const std::size_t left = std::min(memory.size() - done, most), whole = left / block * block;
      done += piece(done, whole > 0 && !bounces_at(memory.data(), whole) ? whole : left);
    }
  }

  void transfer(std::size_t at, std::byte* memory, std::size_t bytes, bool writes) {
    for (std::size_t done = 0; done < bytes;) {
      const off_t place = static_cast<off_t>(at + done);
      const ssize_t moved = writes ? ::pwrite(descriptor_, memory + done, bytes - done, place)
                                   : ::pread(descriptor_, memory + done, bytes - done, place);
      if (moved < 0 && errno == EINTR) continue;
      if (moved < 0 && errno == EINVAL && is_direct_) {  // larger blocks, or none after all
        const int flags = ::fcntl(descriptor_, F_GETFL);
        is_direct_ = false;
        if (::fcntl(descriptor_, F_SETFL, flags & ~O_DIRECT) == 0) continue;
      }
      if (moved < 0) fail(writes ? "a write failed" : "a read failed");
      if (moved == 0) {
        errno = writes ? ENOSPC : EIO;
        fail(writes ? "a write wrote nothing" : "a read found less than was written");
      }
      const std::size_t ends = done + static_cast<std::size_t>(moved);
      if (ends < bytes && is_direct_ && ends / block * block == done) {  // a short one that does not come on
        errno = writes ? ENOSPC : EIO;
        fail(writes ? "a write was cut short" : "a read was cut short");
      }
      done = ends < bytes && is_direct_ ? ends / block * block : ends;
    }
  }

  [[noreturn]] void fail(const std::string& what) const {
    const int code = errno;
    throw offload_error("the file for offloaded activations in '" + directory_ + "': " + what + " (" +
                        std::generic_category().message(code) +
                        "); make room there, or name a directory on another disk: the storage's .path, or "
                        ".offload_directory for those that name none");
  }

  std::string directory_;
  std::unique_ptr<std::byte, release> bounce_;
  int descriptor_ = -1;
  bool is_direct_ = false;
};

}  // namespace remat
