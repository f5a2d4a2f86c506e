// SPDX-License-Identifier: MIT
/// A storage space (core/storage_space.hpp) in a file, which a thread writes and reads next to the step.
///
/// The thread blocks all signals: SIGXFSZ, which a write beyond RLIMIT_FSIZE raises in the thread that writes, stays
/// pending there, and the write fails as any other does. The process keeps what it has said of signals. A child of fork
/// has no such thread: what is begun there throws, and nothing there waits.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/storage_space.hpp>
#include <remat/run/unlinked_file.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

namespace remat {

class file_space : public storage_space {
 public:
  /// In this directory; empty: the temporary one. Throws `offload_error` where there can be no file.
  explicit file_space(std::string_view directory)
      : file_(directory), requests_(1), worker_(std::make_unique<worker>()), process_(::getpid()) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // the thread inherits it
    try {
      worker_->thread = std::thread([this] { work(); });
    } catch (...) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  ~file_space() override {
    if (!has_thread()) {
      // The thread cannot be joined, nor a mutex be destroyed that it may have held.
      static_cast<void>(worker_.release());
      return;
    }
    cancel();
    {
      const std::lock_guard lock(worker_->mutex);
      ends_ = true;
    }
    worker_->begun_more.notify_all();
    worker_->thread.join();
  }

  const unlinked_file& file() const { return file_; }

  void reserve(std::size_t bytes, std::size_t requests) override {
    if (requests + 1 > requests_.size()) {
      finish_or_cancel(begun_);  // nothing is under way, and nobody reads the old list
      const std::lock_guard lock(worker_->mutex);
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
    require_thread();
    std::unique_lock lock(worker_->mutex);
    worker_->done_more.wait(lock, [&] { return done_ >= number || failure_ != nullptr; });
    if (done_ < number) std::rethrow_exception(failure_);
  }
  void cancel() noexcept override {
    if (!has_thread()) return;
    std::unique_lock lock(worker_->mutex);
    is_cancelling_ = true;
    worker_->done_more.wait(lock, [&] { return !is_working_; });
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
  /// What cannot be destroyed in a child of fork.
  struct worker {
    std::mutex mutex;  // of the requests, and of how far they are
    std::condition_variable begun_more, done_more;
    std::thread thread;
  };

  bool has_thread() const { return process_ == ::getpid(); }
  void require_thread() const {
    if (!has_thread())
      throw offload_error(
          "a model that offloads activations cannot run in a child of fork, which has no thread that writes "
          "and reads its file; build the model in the process that trains it");
  }

  std::uint64_t begin(const request& r) {
    require_thread();
    std::unique_lock lock(worker_->mutex);
    // A list that is full holds requests that will be done. After a failure none will, which `finish` says.
    worker_->done_more.wait(lock, [&] { return begun_ - done_ < requests_.size() || failure_ != nullptr; });
    if (failure_ != nullptr) return ++begun_;
    requests_[begun_ % requests_.size()] = r;
    const std::uint64_t number = ++begun_;
    lock.unlock();
    worker_->begun_more.notify_one();
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
    std::unique_lock lock(worker_->mutex);
    for (;;) {
      worker_->begun_more.wait(lock,
                               [&] { return ends_ || (done_ < begun_ && failure_ == nullptr && !is_cancelling_); });
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
      worker_->done_more.notify_all();
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
  std::vector<request> requests_;  // a ring: number n is at (n - 1) % size
  std::uint64_t begun_ = 0, done_ = 0;
  std::exception_ptr failure_;  // of request done_ + 1
  bool is_working_ = false, is_cancelling_ = false, ends_ = false;
  std::unique_ptr<worker> worker_;
  pid_t process_;  // in which the thread is
};

}  // namespace remat
