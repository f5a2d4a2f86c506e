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
///
/// One session at a time, made in `main`.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/dist/mpi.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>

namespace remat {

/// An error that every rank of a job has found, with one message.
class collective_error : public error {
 public:
  using error::error;
};

namespace mpi {

class session {
 public:
  session(int& argc, char**& argv) : library_(argc, argv), world_(library::world()) {
    rank_ = world_.rank();
    size_ = world_.size();
    ranks_on_this_node_ = world_.ranks_on_this_node();
    exceptions_ = std::uncaught_exceptions();
    previous_ = std::set_terminate(&end_the_job);
  }
  session(const session&) = delete;
  session& operator=(const session&) = delete;
  ~session() {
    std::set_terminate(previous_);
    if (std::uncaught_exceptions() > exceptions_)
      std::atexit([] { library::world().abort(); });
    else
      library_.finish();
  }

  const communicator& world() const { return world_; }
  int rank() const { return rank_; }
  int size() const { return size_; }

  /// Prints what went wrong on this rank and ends all ranks.
  [[noreturn]] static void fail(const std::string& what) {
    const communicator world = library::world();
    std::fflush(stdout);
    std::fprintf(stderr, "remat: rank %d ends the job: %s\n", world.rank(), what.c_str());
    std::fflush(stderr);
    world.abort();
  }

  int ranks_on_this_node() const { return ranks_on_this_node_; }
  /// How a rank of so many threads waits on this node.
  waiting how_to_wait(int threads) const {
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    return {cores > 0 && ranks_on_this_node_ * threads > cores};
  }

 private:
  [[noreturn]] static void end_the_job() {
    if (!library::is_running()) std::abort();
    std::string what = "an unknown exception";
    if (const std::exception_ptr thrown = std::current_exception()) try {
        std::rethrow_exception(thrown);
      } catch (const collective_error& e) {
        // Rank 0 tells, and ends all.
        if (library::world().rank() != 0) std::this_thread::sleep_for(std::chrono::seconds(2));
        what = e.what();
      } catch (const std::exception& e) {
        what = e.what();
      } catch (...) {
      }
    fail(what);
  }

  library library_;
  communicator world_;
  int rank_ = 0, size_ = 1, ranks_on_this_node_ = 1;
  int exceptions_ = 0;
  std::terminate_handler previous_ = nullptr;
};

}  // namespace mpi
}  // namespace remat
