// SPDX-License-Identifier: MIT
/// Agreement: what all ranks must find alike before they go on, and one message for all of them where they do not.
///
/// Each of these talks to every rank of the job, and is called by all of them.
#pragma once

#include <remat/dist/session.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace remat {

/// A hash of texts and numbers (FNV-1a, 64 bits), the same on all ranks of one program.
class fingerprint {
 public:
  void add(std::string_view text) {
    for (const char c : text) mix(static_cast<unsigned char>(c));
    mix(0xff);
  }
  void add(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) mix(static_cast<unsigned char>(number >> 8 * i));
  }
  std::uint64_t value() const { return hash_; }

 private:
  void mix(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001b3u; }
  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

/// A number that must be the same on all ranks that have one, and what is said where it is not.
struct shared_number {
  std::optional<std::uint64_t> number;
  std::string_view what;
};

class agreement {
 public:
  agreement(const mpi::communicator& ranks, mpi::waiting how)
      : ranks_(&ranks), how_(how), rank_(ranks.rank()), size_(ranks.size()) {}

  void wait(mpi::request r) const {
    mpi::wait_until(how_, [&] { return r.is_done(); });
  }

  /// Throws `collective_error` on every rank where one of them has a complaint: that of the lowest such rank.
  void require_none(std::string_view complaint) const {
    std::array<std::uint64_t, 1> first{complaint.empty() ? 0 : static_cast<std::uint64_t>(size_ - rank_)};
    wait(ranks_->largest(first));
    if (first[0] != 0) refuse(size_ - static_cast<int>(first[0]), complaint);
  }

  /// The same, and throws where one of the numbers is not the same on all ranks that have it, the first such number.
  /// Returns the numbers, 0 for one that no rank has. One round of messages where all is well.
  template <std::size_t N>
  std::array<std::uint64_t, N> require_same(std::string_view complaint,
                                            const std::array<shared_number, N>& mine) const {
    std::array<std::uint64_t, 1 + 2 * N> seen{complaint.empty() ? 0 : static_cast<std::uint64_t>(size_ - rank_)};
    for (std::size_t i = 0; i < N; ++i)
      if (mine[i].number) seen[1 + 2 * i] = *mine[i].number, seen[2 + 2 * i] = ~*mine[i].number;
    wait(ranks_->largest(seen));
    if (seen[0] != 0) refuse(size_ - static_cast<int>(seen[0]), complaint);
    std::array<std::uint64_t, N> all;
    for (std::size_t i = 0; i < N; ++i) {
      all[i] = seen[1 + 2 * i];
      const bool is_there = (all[i] | seen[2 + 2 * i]) != 0;
      if (is_there && all[i] != ~seen[2 + 2 * i]) refuse_difference(mine[i]);
    }
    return all;
  }
  std::uint64_t require_same(std::string_view complaint, std::optional<std::uint64_t> number,
                             std::string_view what) const {
    return require_same(complaint, std::array{shared_number{number, what}})[0];
  }

 private:
  /// Of two numbers that differ, one is not that of the lowest rank that has one.
  void refuse_difference(const shared_number& mine) const {
    std::array<std::uint64_t, 1> first{mine.number ? static_cast<std::uint64_t>(size_ - rank_) : 0};
    wait(ranks_->largest(first));
    const int lowest = size_ - static_cast<int>(first[0]);
    std::uint64_t of_lowest = mine.number.value_or(0);
    wait(ranks_->broadcast(std::as_writable_bytes(std::span(&of_lowest, 1)), lowest));
    require_none(!mine.number || *mine.number == of_lowest
                     ? ""
                     : std::string(mine.what) + " (rank " + std::to_string(rank_) + " differs from rank " +
                           std::to_string(lowest) + ")");
  }
  [[noreturn]] void refuse(int teller, std::string_view complaint) const {
    std::uint64_t size = complaint.size();
    wait(ranks_->broadcast(std::as_writable_bytes(std::span(&size, 1)), teller));
    std::string text(complaint);
    text.resize(size);
    wait(ranks_->broadcast(std::as_writable_bytes(std::span(text)), teller));
    throw collective_error(size_ == 1 ? text : "rank " + std::to_string(teller) + ": " + text);
  }

  const mpi::communicator* ranks_;
  mpi::waiting how_;
  int rank_, size_;
};

}  // namespace remat
