// SPDX-License-Identifier: MIT
/// A file that is open for reading: the only place where remat opens one.
///
/// It is a regular file, whose size is known. A pipe would be waited for, a device need not end, and a folder is none:
/// they are refused at once. A file that shrinks while it is read is refused when it is found to.
#pragma once

#include <remat/core/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace remat {

class input_file {
 public:
  /// Throws `data_error` where this cannot be read; `expected` ends its message, and says what file is wanted.
  explicit input_file(const std::filesystem::path& path, std::string_view expected = {})
      : name_(path.string()), hint_(expected.empty() ? "" : "; " + std::string(expected)) {
    if (path.empty()) throw data_error("''", "names no file");
    // A pipe without a writer would wait in open(2), had it not this flag; a regular file does not look at it.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat about = {};
    if (descriptor_ < 0) {
      const int code = errno;  // a socket cannot be opened at all
      if (::stat(path.c_str(), &about) == 0) require_regular(about.st_mode);
      refuse("cannot be opened (" + std::generic_category().message(code) + ")");
    }
    try {
      if (::fstat(descriptor_, &about) != 0) refuse("cannot be read (" + std::generic_category().message(errno) + ")");
      require_regular(about.st_mode);
    } catch (...) {
      ::close(descriptor_);
      throw;
    }
    size_ = static_cast<std::size_t>(about.st_size);
  }
  input_file(input_file&& other) noexcept
      : name_(std::move(other.name_)),
        hint_(std::move(other.hint_)),
        descriptor_(std::exchange(other.descriptor_, -1)),
        size_(other.size_) {}
  input_file& operator=(input_file&&) = delete;
  ~input_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  const std::string& name() const { return name_; }
  /// In bytes, when it was opened.
  std::size_t size() const { return size_; }
  /// For a library that reads by descriptor; the file still closes it.
  int descriptor() const { return descriptor_; }

  /// Reads up to `count` bytes from a place on; fewer where the file ends before.
  std::size_t read_some(void* to, std::size_t count, std::size_t from) const {
    std::size_t done = 0;
    while (done < count) {
      const std::size_t piece = std::min(count - done, std::size_t{1} << 30);
      const ssize_t got = ::pread(descriptor_, static_cast<char*>(to) + done, piece, static_cast<off_t>(from + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) refuse("cannot be read (" + std::generic_category().message(errno) + ")");
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }
  /// Reads `count` bytes.
  void read(void* to, std::size_t count, std::size_t from) const {
    if (read_some(to, count, from) < count) refuse("cannot be read (it ends too early)");
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const { throw data_error(name_, what + hint_); }

  void require_regular(mode_t mode) const {
    if (S_ISREG(mode)) return;
    if (S_ISDIR(mode)) refuse("cannot be read (Is a directory): it is a folder, not a file");
    refuse(std::string("cannot be read: it is a ") +
           (S_ISFIFO(mode)   ? "pipe"
            : S_ISSOCK(mode) ? "socket"
                             : "device") +
           ", not a regular file");
  }

  std::string name_, hint_;
  int descriptor_ = -1;
  std::size_t size_ = 0;
};

}  // namespace remat
