// SPDX-License-Identifier: MIT
/// Memory that a file is mapped to, read without ending the process where the file no longer gives it.
///
/// A mapped page that is beyond the end of its file (another process has truncated it), or that its disk cannot give,
/// answers a read with the signal SIGBUS, which ends a process without a word. While a thread reads a range through
/// `reading_scope`, that signal puts pages of zeros in the place of what is lost and is remembered: whoever reads looks
/// at `is_lost()` afterwards, and throws what it has read away. (Wayland's shared buffers are read in this way.) All
/// other signals of the kind go to the handler that was there before.
#pragma once

#include <remat/core/language.hpp>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <sys/mman.h>
#include <unistd.h>

namespace remat::detail {

/// `begin` is where a page begins. It stays where it is as long as a thread reads it.
class mapped_range {
 public:
  mapped_range(std::byte* begin, std::size_t bytes) : begin_(begin), bytes_(bytes) {
    static std::once_flag is_installed;
    std::call_once(is_installed, [] {
      struct sigaction ours = {};
      ours.sa_sigaction = &handle;
      ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
      sigemptyset(&ours.sa_mask);
      sigaction(SIGBUS, &ours, &previous_);
    });
  }
  mapped_range(const mapped_range&) = delete;
  mapped_range& operator=(const mapped_range&) = delete;

  /// Whether some of it has become zeros, for good.
  bool is_lost() const { return is_lost_.load(std::memory_order_acquire); }

  /// While this exists, its thread reads the range.
  class reading_scope {
   public:
    explicit reading_scope(mapped_range& range) : outer_(set_current(&range)) {}
    reading_scope(const reading_scope&) = delete;
    reading_scope& operator=(const reading_scope&) = delete;
    ~reading_scope() { set_current(outer_); }

   private:
    mapped_range* outer_;
  };

 private:
  static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<mapped_range*>::is_always_lock_free);

  /// Gives the one before. What is read stays between two of these calls, as the handler sees it.
  static mapped_range* set_current(mapped_range* range) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    mapped_range* const before = current_.load(std::memory_order_relaxed);
    current_.store(range, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return before;
  }

  /// Does only what a handler may: system calls, and memory of its own.
  static void handle(int signal, siginfo_t* about, void* context) {
    mapped_range* const current = current_.load(std::memory_order_relaxed);
    if (current != nullptr && current->lose(reinterpret_cast<std::uintptr_t>(about->si_addr))) return;
    if ((previous_.sa_flags & SA_SIGINFO) != 0) return previous_.sa_sigaction(signal, about, context);
    if (previous_.sa_handler != SIG_DFL && previous_.sa_handler != SIG_IGN) return previous_.sa_handler(signal);
    sigaction(SIGBUS, &previous_, nullptr);  // and the read is tried again
  }

  /// Puts zeros from the page of an address to the end. False for an address of others.
  bool lose(std::uintptr_t address) {
    const std::uintptr_t first = reinterpret_cast<std::uintptr_t>(begin_);
    if (address < first || address - first >= bytes_) return false;
    const int before = errno;
    is_lost_.store(true, std::memory_order_release);  // first: another thread may read the zeros at once
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t from = (address - first) / page * page;
    void* const zeros = mmap(begin_ + from, bytes_ - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    errno = before;
    return zeros != MAP_FAILED;
  }

  inline static thread_local std::atomic<mapped_range*> current_ = nullptr;
  inline static struct sigaction previous_ = {};

  std::byte* begin_;
  std::size_t bytes_;
  std::atomic<bool> is_lost_ = false;
};

}  // namespace remat::detail
