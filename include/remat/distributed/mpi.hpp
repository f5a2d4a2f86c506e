// SPDX-License-Identifier: MIT
/// MPI as remat uses it: groups of ranks, and messages that are prepared once and started in every step. The only
/// header that includes mpi.h, without the C++ bindings of old, which would have to be linked; no other one but
/// mpi_library.hpp uses names of MPI's own. How a rank waits for what is under way, message_wait.hpp says.
///
/// An error of MPI's own ends the job, with MPI's message.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/openmp.hpp>

#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include <sched.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

namespace remat::mpi {

namespace detail {

/// The process that has started a session; 0: none yet. A child that it forks has no part in MPI.
inline pid_t process_of_session = 0;

}  // namespace detail

/// Whether this process was forked by one that has a session.
inline bool is_child() { return detail::process_of_session != 0 && detail::process_of_session != getpid(); }

/// Whether MPI has ended for this process: what it has made is gone, and it cannot start again.
inline bool has_ended() {
  if (is_child()) return true;
  int is_over = 0;
  MPI_Finalized(&is_over);
  return is_over != 0;
}

/// Something that was started and will be done: a message, or a collective. Where nothing is under way, it is done.
class request {
 public:
  request() = default;
  request(request&& other) noexcept : handle_(std::exchange(other.handle_, MPI_REQUEST_NULL)) {}
  request& operator=(request&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~request() {
    if (handle_ != MPI_REQUEST_NULL && !has_ended()) MPI_Request_free(&handle_);
  }

  /// Starts a prepared message again.
  void start() { MPI_Start(&handle_); }
  bool is_done() {
    int done = 0;
    MPI_Test(&handle_, &done, MPI_STATUS_IGNORE);
    return done != 0;
  }

 private:
  friend class communicator;
  MPI_Request handle_ = MPI_REQUEST_NULL;
};

/// The ranks of a job that share a machine, and the cores that they may keep busy together.
struct host {
  int ranks = 1, cores = 1;
};

/// A group of ranks that talk to each other. Collectives, which say so, are called by all of them in one order.
class communicator {
 public:
  communicator() = default;
  explicit communicator(MPI_Comm handle) : handle_(handle) {}
  communicator(communicator&& other) noexcept
      : handle_(std::exchange(other.handle_, MPI_COMM_NULL)), is_owned_(std::exchange(other.is_owned_, false)) {}
  communicator& operator=(communicator&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(is_owned_, other.is_owned_);
    return *this;
  }
  ~communicator() {
    if (is_owned_ && !has_ended()) MPI_Comm_free(&handle_);
  }

  int rank() const {
    int r = 0;
    MPI_Comm_rank(handle_, &r);
    return r;
  }
  int size() const {
    int s = 0;
    MPI_Comm_size(handle_, &s);
    return s;
  }

  /// Collective: the ranks of one colour, in the order of their keys.
  communicator split(int color, int key) const {
    MPI_Comm part = MPI_COMM_NULL;
    const int code = MPI_Comm_split(handle_, color, key, &part);
    return owned(code, part);
  }
  /// Collective: the same ranks; what is sent here meets nothing that is sent elsewhere.
  communicator duplicate() const {
    MPI_Comm copy = MPI_COMM_NULL;
    const int code = MPI_Comm_dup(handle_, &copy);
    return owned(code, copy);
  }
  /// Collective: those of these ranks that share this machine.
  communicator on_this_host() const {
    MPI_Comm here = MPI_COMM_NULL;
    const int code = MPI_Comm_split_type(handle_, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here);
    return owned(code, here);
  }
  /// Collective: how many of these ranks share this machine, and the cores that they may keep busy together: those of
  /// all their threads' affinities, and no more than `quota`, the most that any of them may use in the mean of time; 0:
  /// no limit.
  host this_host(double quota = 0) const {
    const communicator here = on_this_host();
    host found;
    found.ranks = here.size();
    cpu_set_t cores;
    CPU_ZERO(&cores);
    const bool is_known = sched_getaffinity(0, sizeof cores, &cores) == 0;
    for (const int processor : remat::detail::processors_of_places(remat::detail::openmp_of_onednn()))
      if (processor >= 0 && processor < CPU_SETSIZE) CPU_SET(processor, &cores);
    MPI_Allreduce(MPI_IN_PLACE, &cores, sizeof cores, MPI_BYTE, MPI_BOR, here.handle_);
    found.cores = is_known ? std::max(1, CPU_COUNT(&cores)) : static_cast<int>(std::thread::hardware_concurrency());
    constexpr double no_limit = std::numeric_limits<double>::max();
    if (quota == 0) quota = no_limit;
    MPI_Allreduce(MPI_IN_PLACE, &quota, 1, MPI_DOUBLE, MPI_MAX, here.handle_);
    if (quota < no_limit) found.cores = std::clamp(static_cast<int>(quota), 1, found.cores);
    return found;
  }

  /// Messages of at most 2^31 - 1 bytes from and into memory that stays where it is; of one tag, they are received in
  /// the order in which they are sent.
  static constexpr std::size_t largest_message = INT_MAX;
  request prepare_send(std::span<const std::byte> from, int to, int tag) const {
    request r;
    MPI_Send_init(from.data(), count_of(from.size()), MPI_BYTE, to, tag, handle_, &r.handle_);
    return r;
  }
  request prepare_receive(std::span<std::byte> to, int from, int tag) const {
    request r;
    MPI_Recv_init(to.data(), count_of(to.size()), MPI_BYTE, from, tag, handle_, &r.handle_);
    return r;
  }
  request send(std::span<const std::byte> from, int to, int tag) const {
    request r;
    MPI_Isend(from.data(), count_of(from.size()), MPI_BYTE, to, tag, handle_, &r.handle_);
    return r;
  }
  request receive(std::span<std::byte> to, int from, int tag) const {
    request r;
    MPI_Irecv(to.data(), count_of(to.size()), MPI_BYTE, from, tag, handle_, &r.handle_);
    return r;
  }

  /// Collective: begins to add up the ranks' numbers, which become the sums.
  request sum(std::span<float> values) const {
    request r;
    MPI_Iallreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_FLOAT, MPI_SUM, handle_,
                   &r.handle_);
    return r;
  }
  request sum(std::span<std::uint64_t> values) const {
    request r;
    MPI_Iallreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_UINT64_T, MPI_SUM, handle_,
                   &r.handle_);
    return r;
  }
  /// Collective: the largest of the ranks' numbers, element by element. They are below 2^63, since MPICH 4.0 compares
  /// unsigned numbers as if they had a sign.
  request largest(std::span<std::uint64_t> values) const {
    request r;
    MPI_Iallreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_UINT64_T, MPI_MAX, handle_,
                   &r.handle_);
    return r;
  }
  /// Collective: `mine` of every rank, in the order of ranks.
  request gather(std::span<const std::byte> mine, std::span<std::byte> all) const {
    request r;
    const int bytes = count_of(mine.size());
    MPI_Iallgather(mine.data(), bytes, MPI_BYTE, all.data(), bytes, MPI_BYTE, handle_, &r.handle_);
    return r;
  }
  /// Collective: what rank `root` has, to all.
  request broadcast(std::span<std::byte> values, int root) const {
    request r;
    MPI_Ibcast(values.data(), count_of(values.size()), MPI_BYTE, root, handle_, &r.handle_);
    return r;
  }

  /// The rank from which a message of this tag has come, if one has.
  std::optional<int> sender_of_message(int tag) const {
    int there = 0;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, tag, handle_, &there, &status);
    return there != 0 ? std::optional(status.MPI_SOURCE) : std::nullopt;
  }
  /// Ends every rank of the job, when what was printed has had time to come out.
  [[noreturn]] void abort() const {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    MPI_Abort(handle_, 1);
    std::abort();
  }

  /// The largest tag of a message.
  int largest_tag() const {
    void* value = nullptr;
    int is_set = 0;
    MPI_Comm_get_attr(handle_, MPI_TAG_UB, &value, &is_set);
    return is_set != 0 ? *static_cast<const int*>(value) : 32767;
  }

 private:
  /// What MPI has made. Its errors end the job, whatever the program has set for communicators of its own, from which
  /// this one has inherited.
  static communicator owned(int code, MPI_Comm made) {
    if (code != MPI_SUCCESS) {
      char text[MPI_MAX_ERROR_STRING];
      int length = 0;
      MPI_Error_string(code, text, &length);
      std::fprintf(stderr, "remat: MPI makes no communicator: %.*s\n", length, text);
      communicator(MPI_COMM_WORLD).abort();
    }
    MPI_Comm_set_errhandler(made, MPI_ERRORS_ARE_FATAL);
    communicator group(made);
    group.is_owned_ = true;
    return group;
  }
  /// Throws `error` for a message that is too large for MPI to count.
  static int count_of(std::size_t bytes) {
    if (bytes > largest_message)
      throw error("a tensor of " + std::to_string(bytes) + " bytes goes from one rank to another, and MPI takes " +
                  std::to_string(largest_message) + " at once; take smaller micro-batches");
    return static_cast<int>(bytes);
  }

  MPI_Comm handle_ = MPI_COMM_NULL;
  bool is_owned_ = false;
};

/// Calls f(piece) for each piece of at most `largest_message` bytes.
template <class T, class F>
void in_pieces(std::span<T> values, const F& f) {
  constexpr std::size_t most = communicator::largest_message / sizeof(T);
  for (std::size_t first = 0; first < values.size(); first += most)
    f(values.subspan(first, std::min(most, values.size() - first)));
}

}  // namespace remat::mpi
