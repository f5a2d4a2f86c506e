// SPDX-License-Identifier: MIT
/// Agreement: what all ranks must find alike before they go on, and one message for all of them where they do not.
///
/// Each of these talks to every rank of the job, and is called by all of them.
#pragma once

#include <remat/distributed/rank_list.hpp>
#include <remat/distributed/session.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

class agreement {
 public:
  agreement(const mpi::communicator& ranks, mpi::wait_mode how)
      : ranks_(&ranks), how_(how), rank_(ranks.rank()), size_(ranks.size()) {}

  void wait(mpi::request r) const {
    mpi::wait_until(how_, [&] { return r.is_done(); });
  }

  /// The largest of the ranks' numbers.
  std::uint64_t largest(std::uint64_t number) const {
    std::array<std::uint64_t, 1> most{number};
    wait(ranks_->largest(most));
    return most[0];
  }

  /// Throws `collective_error` on every rank where one of them has a complaint: that of the lowest such rank.
  void require_none(std::string_view complaint) const {
    const std::uint64_t first = largest(complaint.empty() ? 0 : static_cast<std::uint64_t>(size_ - rank_));
    if (first != 0) refuse(size_ - static_cast<int>(first), complaint);
  }

  /// The same, and compares numbers that must be the same on all ranks that have them: `all` gets them, 0 for one that
  /// no rank has. Returns which is the first that differs. One round of messages.
  std::optional<std::size_t> first_difference(std::string_view complaint,
                                              std::span<const std::optional<std::uint64_t>> mine,
                                              std::span<std::uint64_t> all) const {
    seen_.assign(1 + 2 * mine.size(), 0);
    seen_[0] = complaint.empty() ? 0 : static_cast<std::uint64_t>(size_ - rank_);
    for (std::size_t i = 0; i < mine.size(); ++i)
      if (mine[i]) seen_[1 + 2 * i] = *mine[i] & compared, seen_[2 + 2 * i] = ~*mine[i] & compared;
    wait(ranks_->largest(seen_));
    if (const std::uint64_t first = seen_[0]; first != 0) refuse(size_ - static_cast<int>(first), complaint);
    std::optional<std::size_t> different;
    for (std::size_t i = mine.size(); i-- > 0;) {
      all[i] = seen_[1 + 2 * i];
      const bool is_there = (all[i] | seen_[2 + 2 * i]) != 0;
      if (is_there && all[i] != (~seen_[2 + 2 * i] & compared)) different = i;
    }
    return different;
  }

  /// Throws where a number is not the same on all ranks that have it. Returns the number.
  std::uint64_t require_same(std::string_view complaint, std::optional<std::uint64_t> number,
                             std::string_view what) const {
    std::uint64_t all = 0;
    if (!first_difference(complaint, {&number, 1}, {&all, 1})) return all;
    const difference found = differing(number);
    throw collective_error("rank " + std::to_string(found.others.front()) + ": " + std::string(what) + " (" +
                           text_of_ranks(found.others) + (found.others.size() == 1 ? " differs" : " differ") +
                           " from rank " + std::to_string(found.first) + ")");
  }

  /// What every rank has, in the order of ranks.
  template <class T>
  std::vector<T> gather(const T& mine) const {
    std::vector<T> all(static_cast<std::size_t>(size_));
    wait(ranks_->gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all))));
    return all;
  }

  /// Of numbers that differ: the first rank that has one, the ranks that have another, and all the numbers.
  struct difference {
    int first = 0;
    std::vector<int> others = {};
    std::vector<std::uint64_t> numbers = {};  ///< of each rank, 0 for one that has none
  };
  difference differing(std::optional<std::uint64_t> mine) const {
    const std::vector<std::uint64_t> has = gather(std::uint64_t{mine ? 1u : 0u});
    difference found{.numbers = gather(mine.value_or(0))};
    while (has[static_cast<std::size_t>(found.first)] == 0) ++found.first;
    for (int r = 0; r < size_; ++r)
      if (const auto i = static_cast<std::size_t>(r);
          has[i] != 0 && found.numbers[i] != found.numbers[static_cast<std::size_t>(found.first)])
        found.others.push_back(r);
    return found;
  }

 private:
  static constexpr std::uint64_t compared = ~std::uint64_t{0} >> 1;  // the bits of a number that are compared

  [[noreturn]] void refuse(int teller, std::string_view complaint) const {
    std::uint64_t size = complaint.size();
    wait(ranks_->broadcast(std::as_writable_bytes(std::span(&size, 1)), teller));
    std::string text(complaint);
    text.resize(size);
    wait(ranks_->broadcast(std::as_writable_bytes(std::span(text)), teller));
    throw collective_error(size_ == 1 ? text : "rank " + std::to_string(teller) + ": " + text);
  }

  const mpi::communicator* ranks_;
  mpi::wait_mode how_;
  int rank_, size_;
  mutable std::vector<std::uint64_t> seen_;
};

}  // namespace remat
