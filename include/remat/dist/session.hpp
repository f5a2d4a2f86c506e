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
/// One session, made in `main`: MPI cannot start again.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/dist/mpi.hpp>
#include <remat/dist/waiting.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>
#include <vector>

namespace remat {

/// An error that every rank of a job has found, with one message.
class collective_error : public error {
 public:
  using error::error;
};

namespace mpi {

class session {
 public:
  /// Collective. Throws `error` while another session lives, and when MPI has ended with an earlier one.
  session(int& argc, char**& argv) : library_(argc, argv), world_(library::world()) {
    if (current_ != nullptr)
      throw error("a program has one remat::mpi::session at a time; make it in main, and pass it on");
    rank_ = world_.rank();
    size_ = world_.size();
    host_ = world_.this_host();
    exceptions_ = std::uncaught_exceptions();
    previous_ = std::set_terminate(&end_the_job);
    leaving_ = world_.duplicate();
    meeting_ = world_.duplicate();
    current_ = this;
    departures::someone_left = [] { return current_->leaving_.has_message(0); };
    departures::end_the_job = [] {
      fail(
          "another rank has left the program, and this one waits for it; all ranks make the same calls, and an error "
          "of "
          "one rank is caught outside of the session's scope, or not at all");
    };
    std::atexit([] {
      if (current_ != nullptr && library::is_running()) fail("the program exits while its session lives");
    });
  }
  session(const session&) = delete;
  session& operator=(const session&) = delete;
  ~session() {
    std::set_terminate(previous_);
    if (std::uncaught_exceptions() > exceptions_)
      std::atexit([] { library::world().abort(); });
    else {
      leave();
      library_.finish();
    }
    departures::someone_left = nullptr;
    current_ = nullptr;
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

  /// Where the ranks agree on the calls of all models.
  const communicator& meeting() const { return meeting_; }
  /// The number of a model that is about to be built.
  int count_model() const { return models_++; }

  const host& this_host() const { return host_; }
  /// How a rank of so many threads waits on this machine.
  waiting how_to_wait(int threads) const { return {host_.ranks * threads > host_.cores}; }

 private:
  /// Tells the others, and waits for them.
  void leave() {
    departures::someone_left = nullptr;
    std::vector<request> requests;
    for (int r = 0; r < size_; ++r)
      if (r != rank_) requests.push_back(leaving_.send({}, r, 0));
    requests.push_back(leaving_.barrier());
    for (request& r : requests) wait_until({true}, [&] { return r.is_done(); });
    for (int r = 0; r < size_; ++r)
      if (r != rank_) {
        request got = leaving_.receive({}, r, 0);
        wait_until({true}, [&] { return got.is_done(); });
      }
    leaving_ = communicator();
    meeting_ = communicator();
  }

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
  communicator world_, leaving_, meeting_;
  mutable int models_ = 0;
  static inline session* current_ = nullptr;
  int rank_ = 0, size_ = 1;
  host host_;
  int exceptions_ = 0;
  std::terminate_handler previous_ = nullptr;
};

}  // namespace mpi
}  // namespace remat
