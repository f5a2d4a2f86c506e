// SPDX-License-Identifier: MIT
/// A file that is mapped into memory, to be read anywhere, of any size: the only place where remat meets
/// Boost.Interprocess.
///
/// What is read is copied: a file may be truncated by another process at any time, and what was in it would be gone
/// from under whoever views it. A copy is checked after it is made, and a file that no longer has the bytes is refused
/// (mapped_range.hpp). Of the mapping, at most about 16 MiB are counted as memory of the process; the rest stays in the
/// system's cache of files, which the processes of a host share. Large pieces are copied from the mapping, in 0.82 of
/// the time that read(2) takes; for small ones read(2) takes less than pages that come and go do (1 kB anywhere in 1
/// GB: 0.8 against 8.9 microseconds).
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/input_file.hpp>
#include <remat/io/mapped_range.hpp>

#include <boost/interprocess/mapped_region.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <sys/mman.h>
#include <sys/stat.h>

namespace remat {

class mapped_file {
 public:
  /// Throws `data_error` where this cannot be read; `expected` ends its message, and says what file is wanted.
  explicit mapped_file(const std::filesystem::path& path, std::string_view expected = {}) : file_(path, expected) {
    if (size() >= least_mapped) mapping_ = std::make_unique<mapping>(file_);
  }

  const std::string& name() const { return file_.name(); }
  /// In bytes, when it was opened.
  std::size_t size() const { return file_.size(); }

  /// A number that differs from those of other files, and of this one after it has been written again; hosts that see
  /// one file agree on it.
  std::uint64_t identity() const {
    const struct stat about = status();
    std::string text = std::to_string(size());
    for (const auto number : {static_cast<long long>(about.st_ino), static_cast<long long>(about.st_mtim.tv_sec),
                              static_cast<long long>(about.st_mtim.tv_nsec)})
      text += "," + std::to_string(number);
    return std::hash<std::string>()(text);
  }

  /// Copies `count` bytes from a place on. Throws `data_error` where the file ends before, or has come to.
  void read(void* to, std::size_t count, std::size_t from) const {
    if (from > size() || count > size() - from) refuse();
    if (count < least_mapped) {
      if (file_.read_some(to, count, from) < count) refuse();
      return;
    }
    for (std::size_t done = 0; done < count;) {
      const std::size_t piece = std::min(count - done, most_resident / 4);
      mapping_->copy(static_cast<std::byte*>(to) + done, piece, from + done);
      done += piece;
    }
    // Of its last page, what is after the end is zeros, and no signal.
    if (mapping_->range.is_lost() || static_cast<std::size_t>(status().st_size) < from + count) refuse();
  }

 private:
  static constexpr std::size_t most_resident = std::size_t{1} << 24, least_mapped = std::size_t{1} << 20;

  /// What Boost maps: a file that is open, and has been found to be one.
  struct opened_file {
    int descriptor;
    boost::interprocess::mapping_handle_t get_mapping_handle() const { return {descriptor, false}; }
    boost::interprocess::mode_t get_mode() const { return boost::interprocess::read_only; }
  };

  struct mapping {
    boost::interprocess::mapped_region region;
    detail::mapped_range range;
    std::atomic<std::size_t> resident = 0;  // bytes that have come to be, at most

    explicit mapping(const input_file& file) try
        : region(opened_file{file.descriptor()}, boost::interprocess::read_private, 0, file.size()),
          range(static_cast<std::byte*>(region.get_address()), region.get_size()) {
    } catch (const boost::interprocess::interprocess_exception& failed) {
      throw data_error(file.name(), std::string("cannot be mapped into memory (") + failed.what() + ")");
    }

    void copy(std::byte* to, std::size_t count, std::size_t from) {
      constexpr std::size_t around = std::size_t{1} << 21;  // what the system may map with a page that is read
      if (resident.fetch_add(count + around, std::memory_order_relaxed) > most_resident) {
        resident.store(0, std::memory_order_relaxed);
        madvise(region.get_address(), region.get_size(), MADV_DONTNEED);
      }
      const detail::mapped_range::reading_scope reading(range);
      std::memcpy(to, static_cast<const std::byte*>(region.get_address()) + from, count);
    }
  };

  struct stat status() const {
    struct stat about = {};
    if (::fstat(file_.descriptor(), &about) != 0) refuse();
    return about;
  }
  [[noreturn]] void refuse() const {
    throw data_error(name(),
                     "cannot be read (it ends too early): it was truncated after it was opened, or its disk fails");
  }

  input_file file_;
  std::unique_ptr<mapping> mapping_;  // none of a small file
};

}  // namespace remat
