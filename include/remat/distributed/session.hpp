// SPDX-License-Identifier: MIT
/// A session: MPI for the lifetime of a program, and an end for all ranks where one of them fails.
///
///     int main(int argc, char** argv) {
///       remat::mpi::session mpi{argc, argv};
///       ...
///     }
///
/// - An exception that nobody catches is printed with its rank, and the job ends on all ranks.
/// - An exception that leaves the session's scope and is caught outside ends the job when this program exits, so that
///   its message can be printed first.
/// - What all ranks refuse together (`collective_error`) is printed by rank 0 alone.
/// - A rank that leaves while others wait for it is named, and ends the job; one that does not come is named after
///   `watchdog_seconds`, and the others go on waiting.
///
/// One session, made in `main`: MPI cannot start again.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/distributed/call_position.hpp>
#include <remat/distributed/collective_error.hpp>
#include <remat/distributed/cpu_quota.hpp>
#include <remat/distributed/foreign_launcher.hpp>
#include <remat/distributed/message_wait.hpp>
#include <remat/distributed/mpi.hpp>
#include <remat/distributed/mpi_library.hpp>
#include <remat/distributed/roll_call.hpp>
#include <remat/distributed/session_options.hpp>
#include <remat/distributed/terminate_scope.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>

namespace remat::mpi {

class session {
 public:
  /// Collective. Throws `error` while another session lives, when MPI has ended with an earlier one, where the launcher
  /// of another MPI has started the program, and for options or variables that mean nothing.
  session(int& argc, char**& argv, const session_options& options = {})
      : library_(argc, argv), terminate_(&end_the_job), world_(library::world()) {
    if (current_ != nullptr)
      throw error("a program has one remat::mpi::session at a time; make it in main, and pass it on");
    rank_ = world_.rank();
    size_ = world_.size();
    if (size_ == 1) refuse_foreign_launcher();
    try {
      options_ = with_environment(options);
    } catch (const error& e) {
      throw collective_error(e.what());
    }
    host_ = world_.this_host(cpu_quota());
    neighbours_ = world_.on_this_host();
    exceptions_ = std::uncaught_exceptions();
    roll_call_ = roll_call(world_, options_.watchdog_seconds);
    meeting_ = world_.duplicate();
    current_ = this;
    lookout::look = [](double seconds) {
      if (const auto left = current_->roll_call_.look(seconds)) fail(*left);
    };
    std::atexit(&end_what_exits);
    std::at_quick_exit(&end_what_exits);
  }
  session(const session&) = delete;
  session& operator=(const session&) = delete;
  ~session() {
    if (!library::is_running()) {  // in a child of fork, or where the program has ended MPI
    } else if (std::uncaught_exceptions() > exceptions_) {
      lookout::look = nullptr;
      if (!library_.is_mine()) roll_call_.leave_at_once();  // the program waits in MPI_Finalize before it exits
      std::atexit([] {
        if (library::is_running()) library::world().abort();
      });
    } else {
      leave();
      library_.finish();
    }
    current_ = nullptr;
  }

  const communicator& world() const { return world_; }
  int rank() const { return rank_; }
  int size() const { return size_; }

  /// Prints what went wrong on this rank and ends all ranks.
  [[noreturn]] static void fail(const std::string& what) {
    const communicator world = library::world();
    // Where several ranks fail at once, one of them tells, and its end is everyone's.
    if (!is_ending_.exchange(true) && library::is_main_thread() && current_ != nullptr &&
        !current_->roll_call_.tells_of_failure())
      std::this_thread::sleep_for(std::chrono::seconds(3));
    std::fflush(stdout);
    std::fprintf(stderr, "remat: rank %d ends the job: %s\n", world.rank(), what.c_str());
    std::fflush(stderr);
    world.abort();
  }

  /// What `step` returns. What it throws ends all ranks, which wait for this one within the step.
  template <class Step>
  static std::invoke_result_t<Step> guarded(const Step& step) {
    try {
      return with_memory(step);
    } catch (const std::exception& e) {
      fail(e.what());
    }
  }
  /// The same of what makes room, and throws an `error` on all ranks or on none.
  template <class Step>
  static std::invoke_result_t<Step> with_memory(const Step& step) {
    try {
      return step();
    } catch (const std::bad_alloc&) {
      fail("there is not enough memory (std::bad_alloc); take smaller batches or micro-batches, or a budget");
    }
  }

  /// Where the ranks agree on the calls of all models.
  const communicator& meeting() const { return meeting_; }
  /// The number of a model that is about to be built.
  int count_model() const { return models_++; }
  /// This rank comes to a call, where it will wait for all others; `met` says that they have come, too.
  void enter(call_kind kind, std::uint64_t model, std::uint64_t number) const {
    roll_call_.enter({kind, model, number, ++calls_, 0});
  }
  void met() const { roll_call_.met(); }
  /// In which call this rank is, or was last.
  const call_position& here() const { return roll_call_.here(); }

  const host& this_host() const { return host_; }
  /// How a rank waits before anything is known about the threads of its host.
  mpi::wait_mode how_to_wait() const {
    if (options_.waiting != mpi::wait_mode::automatic) return options_.waiting;
    return host_.ranks > host_.cores ? mpi::wait_mode::sleeping : mpi::wait_mode::automatic;
  }
  /// Collective over the ranks of a host, which get one answer: how ranks wait, of which this one has `threads`
  /// threads.
  mpi::wait_mode how_to_wait(int threads) const {
    std::array<std::uint64_t, 1> all{static_cast<std::uint64_t>(threads)};
    wait(neighbours_.sum(all));
    const std::uint64_t together = all[0];
    all[0] = static_cast<std::uint64_t>(options_.waiting);
    wait(neighbours_.largest(all));
    return wait_mode_of_host(static_cast<mpi::wait_mode>(all[0]), together, host_.cores);
  }

 private:
  void wait(request r) const {
    wait_until(how_to_wait(), [&] { return r.is_done(); });
  }

  static void refuse_foreign_launcher() {
    const std::optional<launcher> found = foreign_launcher();
    if (!found) return;
    // One of them tells. Its end ends the others, or they end by themselves: not every launcher ends them.
    if (found->rank != 0) {
      std::this_thread::sleep_for(std::chrono::seconds(3));
      std::_Exit(1);
    }
    const std::string processes = std::to_string(found->ranks) + " processes";
    throw error("started by another MPI's launcher: " + found->name + " has started " + processes + " (" +
                found->variable + "), and the MPI that this program is linked with, " + library::name() +
                ", knows of one; start it with the mpiexec of that MPI, or unset " + found->variable + " to run " +
                processes + " apart");
  }

  /// Tells the others, and waits for them.
  void leave() {
    lookout::look = [](double seconds) { current_->roll_call_.look(seconds, "the end of its session"); };
    roll_call_.leave([](const auto& test) { wait_until(mpi::wait_mode::sleeping, test); });
    lookout::look = nullptr;
    meeting_ = communicator();
    neighbours_ = communicator();
  }

  [[noreturn]] static void end_the_job() {
    std::string what = "an unknown exception";
    if (const std::exception_ptr thrown = std::current_exception()) try {
        std::rethrow_exception(thrown);
      } catch (const collective_error& e) {
        // Rank 0 tells, and ends all.
        if (library::is_running() && library::world().rank() != 0) std::this_thread::sleep_for(std::chrono::seconds(2));
        what = e.what();
      } catch (const std::exception& e) {
        what = e.what();
      } catch (...) {
      }
    if (library::is_running()) fail(what);
    std::fprintf(stderr, "remat: %s\n", what.c_str());
    std::abort();
  }
  /// The program calls exit, or MPI does, which ends what has failed.
  static void end_what_exits() {
    if (current_ == nullptr || is_ending_ || !library::is_running()) return;
    fail("the program exits while its session lives, after " + text_of(current_->here()) +
         "; return from main, so that the session ends first and the other ranks know of it");
  }

  library library_;
  detail::terminate_scope terminate_;
  communicator world_, meeting_, neighbours_;
  mutable int models_ = 0;
  mutable std::uint64_t calls_ = 0;
  static inline session* current_ = nullptr;
  static inline std::atomic<bool> is_ending_ = false;  // which any thread of the program may set
  int rank_ = 0, size_ = 1;
  session_options options_;
  host host_;
  mutable roll_call roll_call_;
  int exceptions_ = 0;
};

}  // namespace remat::mpi
