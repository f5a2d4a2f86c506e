// SPDX-License-Identifier: MIT
/// A file that is being written under a temporary name, the path with ".partial", which becomes the path when all is
/// written: whoever reads the path sees the old file or the new one. One process at a time writes a path. Where the path
/// is a link, what it points to is replaced, and the link stays; a new file has the permissions of the old one. A file
/// or link that has the temporary name, as one of a process that was killed, is removed.
///
/// A limit on the size of files (RLIMIT_FSIZE, `ulimit -f`) raises SIGXFSZ in a thread that writes beyond it, by which
/// the process would end: here the signal is blocked, and the write fails as it does on a full disk.
#pragma once

#include <remat/core/error.hpp>

#include <cerrno>
#include <cstddef>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <ios>
#include <optional>
#include <span>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

namespace remat {
namespace detail {

/// While it lives, writes of this thread beyond RLIMIT_FSIZE raise no signal.
class no_size_signal {
 public:
  no_size_signal() {
    sigemptyset(&own_);
    sigaddset(&own_, SIGXFSZ);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGXFSZ) == 1;
    pthread_sigmask(SIG_BLOCK, &own_, &before_);
  }
  ~no_size_signal() {
    const int error = errno;  // of the write
    const timespec now = {};
    if (!was_pending_) sigtimedwait(&own_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  no_size_signal(const no_size_signal&) = delete;
  no_size_signal& operator=(const no_size_signal&) = delete;

 private:
  sigset_t own_ = {}, before_ = {};
  bool was_pending_ = false;
};

}  // namespace detail

/// Throws `data_error` wherever the file cannot be written. The temporary file is removed before that, so that it is
/// gone even where nobody catches the exception; and where the file is not finished. The old file is then as it was.
class partial_file {
 public:
  /// Refuses a path that is a folder, a device or a pipe, which the file would replace, and a temporary name that has
  /// something else than a file or a link.
  explicit partial_file(const std::filesystem::path& path) : path_(path), target_(path) {
    if (path.empty()) throw data_error("''", "names no file");
    std::error_code ignored;
    const std::filesystem::file_status old = std::filesystem::status(path_, ignored);
    if (std::filesystem::is_directory(old)) refuse("it is a folder");
    if (std::filesystem::exists(old) && !std::filesystem::is_regular_file(old)) refuse("it is a device or a pipe");
    if (std::filesystem::is_symlink(path_, ignored)) target_ = target_of_link();
    partial_ = target_;
    partial_ += ".partial";
    if (std::filesystem::exists(old)) permissions_ = old.permissions() & std::filesystem::perms::all;
    create();
    file_.open(partial_, std::ios::binary | std::ios::trunc);
    if (file_) return;
    const int why = errno;
    std::filesystem::remove(partial_, ignored);
    errno = why;
    refuse_partial();
  }
  ~partial_file() { discard(); }
  partial_file(const partial_file&) = delete;
  partial_file& operator=(const partial_file&) = delete;

  void write(std::span<const std::byte> bytes) {
    {
      const detail::no_size_signal here;
      file_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    require_written();
  }
  /// Gives the file its name.
  void finish() {
    close();
    require_written();
    std::error_code failed;
    // Where the file system has no such permissions, those of a new file are as good.
    if (permissions_) std::filesystem::permissions(partial_, *permissions_, failed);
    std::filesystem::rename(partial_, target_, failed);
    if (failed) {
      discard();
      throw data_error(path_.string(), "cannot be replaced (" + failed.message() + ")");
    }
    is_done_ = true;
  }

 private:
  /// The file that the path is a link to, through further links, there or not.
  std::filesystem::path target_of_link() const {
    std::filesystem::path target = path_;
    std::error_code failed;
    for (int links = 0; std::filesystem::is_symlink(target, failed); ++links) {
      if (links == 40) refuse("it is a link that leads to itself");
      const std::filesystem::path next = std::filesystem::read_symlink(target, failed);
      if (failed) refuse("it is a link that cannot be read (" + failed.message() + ")");
      target = target.parent_path() / next;
    }
    return target;
  }
  /// An empty file that nobody else has made: of a link with this name, what it points to would be written.
  void create() const {
    std::error_code ignored;
    const std::filesystem::file_status before = std::filesystem::symlink_status(partial_, ignored);
    if (std::filesystem::is_fifo(before)) refuse(partial_.string() + " is a pipe");
    if (std::filesystem::is_regular_file(before) || std::filesystem::is_symlink(before))
      std::filesystem::remove(partial_, ignored);
    // Nobody reads it who could not read the old file; its owner writes it, whatever the old one allows.
    const mode_t mode = permissions_ ? static_cast<mode_t>(*permissions_) | 0600 : 0666;
    errno = 0;
    const int made = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (made < 0) refuse_partial();
    ::close(made);
  }
  [[noreturn]] void refuse_partial() const { refuse(partial_.string() + " cannot be opened (" + reason() + ")"); }
  [[noreturn]] void refuse(const std::string& why) const {
    throw data_error(path_.string(), "cannot be written: " + why);
  }
  static std::string reason() { return errno == 0 ? "unknown reason" : std::generic_category().message(errno); }
  /// What is in the stream's buffer is written, too.
  void close() {
    const detail::no_size_signal here;
    file_.close();
  }
  void require_written() {
    if (file_) return;
    const std::string why = reason();
    discard();
    throw data_error(path_.string(), "cannot be written (" + why + ")");
  }
  void discard() {
    if (is_done_) return;
    is_done_ = true;
    close();
    std::error_code ignored;
    std::filesystem::remove(partial_, ignored);
  }

  std::filesystem::path path_, target_, partial_;      // target_: what a link points to
  std::optional<std::filesystem::perms> permissions_;  // of the old file
  std::ofstream file_;
  bool is_done_ = false;  // it has its name, or is removed
};

}  // namespace remat
