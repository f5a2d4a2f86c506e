// SPDX-License-Identifier: MIT
/// A storage space (storage_space.hpp) in a file, which a thread writes and reads next to the step.
///
/// The thread blocks all signals: SIGXFSZ, which a write beyond RLIMIT_FSIZE raises in the thread that writes, stays pending
/// there, and the write fails as any other does. The process keeps what it has said of signals.
#pragma once

#include <remat/core/storage_space.hpp>
#include <remat/core/unlinked_file.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <signal.h>

namespace remat {

class file_space : public storage_space {
 public:
  /// In this directory; empty: the temporary one. Throws `offload_error` where there can be no file.
  explicit file_space(std::string_view directory) : file_(directory), requests_(1) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // the thread inherits it
    try {
      thread_ = std::thread([this] { work(); });
    } catch (...) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  ~file_space() override {
    cancel();
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    begun_more_.notify_all();
    thread_.join();
  }

  const unlinked_file& file() const { return file_; }

  void reserve(std::size_t bytes, std::size_t requests) override {
    if (requests + 1 > requests_.size()) {
      cancel();  // nothing is under way, and nobody reads the old list
      const std::lock_guard lock(mutex_);
      requests_.resize(requests + 1);
    }
    if (bytes <= reserved_) return;
    finish_or_cancel(begin({transfer::reserves, bytes, nullptr, 0}));
    reserved_ = bytes;
  }
  std::uint64_t begin_write(std::size_t at, std::span<const std::byte> from) override {
    return begin({transfer::writes, at, const_cast<std::byte*>(from.data()), from.size()});
  }
  std::uint64_t begin_read(std::size_t at, std::span<std::byte> to) override {
    return begin({transfer::reads, at, to.data(), to.size()});
  }
  void finish(std::uint64_t number) override {
    std::unique_lock lock(mutex_);
    done_more_.wait(lock, [&] { return done_ >= number || failure_ != nullptr; });
    if (done_ < number) std::rethrow_exception(failure_);
  }
  void cancel() noexcept override {
    std::unique_lock lock(mutex_);
    is_cancelling_ = true;
    done_more_.wait(lock, [&] { return !is_working_; });
    is_cancelling_ = false;
    done_ = begun_;
    failure_ = nullptr;
  }

 private:
  enum class transfer { writes, reads, reserves };
  struct request {
    transfer kind = transfer::writes;
    std::size_t at = 0;  ///< or the bytes that are reserved
    std::byte* memory = nullptr;
    std::size_t bytes = 0;
  };

  std::uint64_t begin(const request& r) {
    std::unique_lock lock(mutex_);
    // A list that is full holds requests that will be done. After a failure none will, which `finish` says.
    done_more_.wait(lock, [&] { return begun_ - done_ < requests_.size() || failure_ != nullptr; });
    if (failure_ != nullptr) return ++begun_;
    requests_[begun_ % requests_.size()] = r;
    const std::uint64_t number = ++begun_;
    lock.unlock();
    begun_more_.notify_one();
    return number;
  }
  void finish_or_cancel(std::uint64_t number) {
    try {
      finish(number);
    } catch (...) {
      cancel();
      throw;
    }
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      begun_more_.wait(lock, [&] { return ends_ || (done_ < begun_ && failure_ == nullptr && !is_cancelling_); });
      if (ends_) return;
      const request r = requests_[done_ % requests_.size()];
      is_working_ = true;
      lock.unlock();
      std::exception_ptr failed;
      try {
        perform(r);
      } catch (...) {
        failed = std::current_exception();
      }
      lock.lock();
      is_working_ = false;
      if (failed == nullptr)
        ++done_;
      else
        failure_ = std::move(failed);
      done_more_.notify_all();
    }
  }
  void perform(const request& r) {
    switch (r.kind) {
      case transfer::writes:
        return file_.write(r.at, {r.memory, r.bytes});
      case transfer::reads:
        return file_.read(r.at, {r.memory, r.bytes});
      case transfer::reserves:
        return file_.reserve(r.at);
    }
  }

  unlinked_file file_;
  std::size_t reserved_ = 0;
  std::mutex mutex_;  // of all that follows
  std::condition_variable begun_more_, done_more_;
  std::vector<request> requests_;  // a ring: number n is at (n - 1) % size
  std::uint64_t begun_ = 0, done_ = 0;
  std::exception_ptr failure_;  // of request done_ + 1
  bool is_working_ = false, is_cancelling_ = false, ends_ = false;
  std::thread thread_;
};

}  // namespace remat
