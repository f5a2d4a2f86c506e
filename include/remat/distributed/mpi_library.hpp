// SPDX-License-Identifier: MIT
/// The MPI library itself: it is started and ended here. Where the program has started it, it is left to the program to
/// end.
#pragma once

#include <remat/core/error.hpp>
#include <remat/distributed/mpi.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace remat::mpi {

class library {
 public:
  /// Throws `error` when MPI has ended.
  library(int& argc, char**& argv) {
    if (is_child()) throw error("a child of fork has no part in MPI; make its session in a process of its own");
    if (has_ended()) throw error("MPI has ended with the first remat::mpi::session of the program; make one, in main");
    is_mine_ = !has_started();
    int given = 0;
    if (is_mine_) MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &given);
    detail::process_of_session = getpid();
  }
  library(const library&) = delete;
  library& operator=(const library&) = delete;
  /// Whether it was started here.
  bool is_mine() const { return is_mine_; }
  /// Collective.
  void finish() {
    if (std::exchange(is_mine_, false)) MPI_Finalize();
  }

  static communicator world() { return communicator(MPI_COMM_WORLD); }
  /// Which MPI this is, and its version, on one line.
  static std::string name() {
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    MPI_Get_library_version(text, &length);
    std::string line(text, static_cast<std::size_t>(length));
    line = line.substr(0, line.find_first_of(",\n"));
    std::ranges::replace(line, '\t', ' ');
    return line;
  }
  /// Whether this is the thread that may talk to other ranks.
  static bool is_main_thread() {
    int is_main = 0;
    MPI_Is_thread_main(&is_main);
    return is_main != 0;
  }
  static bool is_running() { return has_started() && !has_ended(); }

 private:
  static bool has_started() {
    int is_started = 0;
    MPI_Initialized(&is_started);
    return is_started != 0;
  }

  bool is_mine_ = false;
};

}  // namespace remat::mpi
