// SPDX-License-Identifier: MIT
/// Tries cases in child processes, block by block, so that one that crashes or hangs does not end the search, and says
/// which it was.
#pragma once

#include <remat/remat.hpp>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "guarded_memory.hpp"
#include "trial.hpp"

namespace fuzz {

/// A kind of layer: how often it is drawn among all, and a layer of random size.
struct layer_kind {
  const char* name;
  std::size_t weight;
  layer_case (*draw)(random_source&);
};

/// What a layer's cases came to.
struct tally {
  std::size_t cases = 0, calls = 0, failures = 0;
  double largest_ratio = 0;
};

class search {
 public:
  /// Of what is drawn, layers of another name than `only` are left out, unless it is empty.
  search(std::span<const layer_kind> kinds, std::uint64_t seed, std::string_view only)
      : kinds_(kinds), seed_(seed), only_(only) {
    void* const made = mmap(nullptr, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) throw std::bad_alloc();
    shared_ = new (made) shared;
    for (const layer_kind& k : kinds) weights_ += k.weight;
  }
  search(const search&) = delete;
  search& operator=(const search&) = delete;
  ~search() { munmap(shared_, sizeof(shared)); }

  /// Cases [first, first + count); returns how many failed.
  std::size_t run(std::uint64_t first, std::uint64_t count) {
    constexpr std::uint64_t block = 100;
    const std::uint64_t end = first + count;
    for (std::uint64_t at = first; at < end;) {
      const std::uint64_t last = end - at < block ? end : at + block;
      std::fflush(nullptr);
      shared_->current = at;
      const pid_t child = fork();
      if (child == 0) {
        for (std::uint64_t i = at; i < last; ++i) attempt(i);
        std::fflush(nullptr);
        _exit(0);  // what oneDNN and OpenMP have started ends with the process
      }
      int status = 0;
      if (child < 0 || waitpid(child, &status, 0) != child) throw std::runtime_error("cannot start a child process");
      at = last;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
      report(WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "the process ended");
      at = shared_->current + 1;
    }
    std::size_t failures = 0;
    for (std::size_t k = 0; k < kinds_.size(); ++k) {
      const tally& t = shared_->tallies[k];
      failures += t.failures;
      if (t.cases > 0)
        std::printf("%-22s %6zu shapes %7zu calls, largest error %.2f of its bound, %zu failed\n", kinds_[k].name,
                    t.cases, t.calls, t.largest_ratio, t.failures);
    }
    return failures;
  }

 private:
  static constexpr std::size_t most_kinds = 32;
  static constexpr unsigned longest_seconds = 20;  ///< of a case; beyond, it hangs

  /// Memory that parent and child share.
  struct shared {
    std::uint64_t current = 0;
    std::size_t kind = 0;
    tally tallies[most_kinds];
    char description[2048] = {};
    char where[256] = {};
  };

  inline static const guarded_memory* memory_ = nullptr;
  inline static shared* shared_of_handler_ = nullptr;

  static void say_where(int signal, siginfo_t* info, void*) {
    const std::string found = memory_->whereabouts(reinterpret_cast<std::uintptr_t>(info->si_addr));
    std::snprintf(shared_of_handler_->where, sizeof(shared::where), "%s", found.c_str());
    std::signal(signal, SIG_DFL);  // the access is tried again, and ends the process
  }

  /// In the child.
  void attempt(std::uint64_t index) {
    static guarded_memory memory;
    if (memory_ == nullptr) {
      memory_ = &memory;
      shared_of_handler_ = shared_;
      struct sigaction action = {};
      action.sa_sigaction = &say_where;
      action.sa_flags = SA_SIGINFO;
      sigaction(SIGSEGV, &action, nullptr);
      sigaction(SIGBUS, &action, nullptr);
      const rlimit no_core{0, 0};
      setrlimit(RLIMIT_CORE, &no_core);
    }
    alarm(longest_seconds);
    shared_->current = index;
    shared_->where[0] = 0;
    random_source random(seed_, index);
    std::size_t drawn = random.between(0, weights_ - 1), kind = 0;
    while (drawn >= kinds_[kind].weight) drawn -= kinds_[kind++].weight;
    if (!only_.empty() && only_ != kinds_[kind].name) return;
    shared_->kind = kind;
    const layer_case layer = kinds_[kind].draw(random);
    const calling how(layer, random);
    static std::string implementations;
    implementations.clear();
    remat::nn::on_primitive = [](const remat::onednn::primitive& p) {
      implementations += implementations.empty() ? "" : " ";
      implementations += p.implementation();
    };
    const auto describe = [&](const char* memory_is) {
      std::snprintf(shared_->description, sizeof(shared::description), "%s: %s, batch %zu; %s; memory %s; %s",
                    layer.layer.c_str(), layer.sizes.c_str(), layer.batch, how.text().c_str(), memory_is,
                    implementations.c_str());
    };
    describe("not there yet");
    tally& mine = shared_->tallies[kind];
    ++mine.cases;
    try {
      trial t(layer, how, random);
      describe("before a guard");
      t.run(memory, placement::before_a_guard);
      describe("after a guard");
      t.run(memory, placement::after_a_guard);
      mine.calls += t.calls;
      if (t.largest_ratio > mine.largest_ratio) mine.largest_ratio = t.largest_ratio;
    } catch (const std::exception& e) {
      report(e.what());
    }
    alarm(0);
  }

  void report(const char* what) const {
    ++shared_->tallies[shared_->kind].failures;
    std::printf("FAILED %s%s%s\n  --seed %llu --first %llu --shapes 1: %s\n", what, shared_->where[0] != 0 ? ", " : "",
                shared_->where, static_cast<unsigned long long>(seed_),
                static_cast<unsigned long long>(shared_->current), shared_->description);
  }

  std::span<const layer_kind> kinds_;
  std::uint64_t seed_;
  std::string_view only_;
  std::size_t weights_ = 0;
  shared* shared_;
};

}  // namespace fuzz
