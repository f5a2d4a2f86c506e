// SPDX-License-Identifier: MIT
/// The calls in which ranks talk to each other: all of them make the same ones in the same order, with batches of one size,
/// and refuse together what one of them cannot do.
#pragma once

#include <remat/core/error.hpp>
#include <remat/dist/agreement.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/source.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace remat {

enum class call_kind : std::uint64_t { training, prediction, evaluation, sum, update, weights, events };

/// Each rank comes here before it talks to others in a call. Where they meet in different ones, all throw
/// `collective_error`.
class call_agreement {
 public:
  call_agreement(const mpi::communicator& ranks, mpi::waiting how) : all_(ranks, how) {}

  const agreement& all() const { return all_; }

  void meet(call_kind kind) const { all_.require_same("", number_of(kind, 0), different_calls); }

  /// The samples of a batch that all ranks accept. Those without data take the others' word. `check(samples)` may throw
  /// an `error`.
  template <class Check>
  std::size_t meet_with_batch(call_kind kind, const program& p, std::span<const source> sources, int inputs,
                              bool has_data, const Check& check) const {
    std::optional<std::uint64_t> call;
    std::string complaint;
    if (has_data) try {
        const std::size_t batch = batch_of(p, sources, inputs);
        check(batch);
        call = number_of(kind, checked_batch(p, batch));
      } catch (const error& e) {
        complaint = e.what();
      }
    return static_cast<std::size_t>(all_.require_same(complaint, call, different_calls) / call_kinds);
  }

 private:
  static constexpr std::uint64_t call_kinds = 7;
  static constexpr const char* different_calls = "every rank must make the same calls, with a batch of the same size";
  static constexpr std::uint64_t number_of(call_kind kind, std::size_t batch) {
    return batch * call_kinds + static_cast<std::uint64_t>(kind);
  }

  agreement all_;
};

}  // namespace remat
