// SPDX-License-Identifier: MIT
/// The calls in which ranks talk to each other: all of them make the same ones in the same order, of the same models,
/// with batches of one size, and refuse together what one of them cannot do.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/thread_scope.hpp>
#include <remat/dist/agreement.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/source.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace remat {

enum class call_kind : std::uint64_t {
  construction,
  training,
  prediction,
  evaluation,
  sum,
  update,
  weights,
  events,
  audit,
  profile,
  count
};

/// Each rank comes here before it talks to others in a call. All models of a session meet in one place, so that two
/// ranks that call different models find each other. Where they meet in different calls, all throw `collective_error`.
class call_agreement {
 public:
  /// `model` is the number of the model in its session. A call with a batch runs on `threads` threads.
  call_agreement(const mpi::session& session, int model, mpi::waiting how, int threads = 1)
      : all_(session.meeting(), how), model_(static_cast<std::uint64_t>(model)), threads_(threads) {}

  const agreement& all() const { return all_; }

  void meet(call_kind kind) const { meet(kind, "", std::nullopt); }

  /// The samples of a batch that all ranks accept. Those without data take the others' word. `check(samples)` may throw
  /// an `error`.
  template <class Check>
  std::size_t meet_with_batch(call_kind kind, const program& p, std::span<const source> sources, int inputs,
                              bool has_data, const Check& check) const {
    std::optional<std::uint64_t> batch;
    std::string complaint;
    try {
      const thread_scope all_are_there(threads_, true);
    } catch (const error& e) {
      complaint = e.what();
    }
    if (has_data && complaint.empty()) try {
        const std::size_t samples = batch_of(p, sources, inputs);
        check(samples);
        batch = checked_batch(p, samples);
      } catch (const error& e) {
        complaint = e.what();
      }
    return static_cast<std::size_t>(meet(kind, complaint, batch));
  }

  /// Something that each rank does alone, and all must do alike: it is compared in the next call.
  void remember(std::span<const double> numbers) {
    for (const double each : numbers) done_alone_.add(std::bit_cast<std::uint64_t>(each));
  }

 private:
  std::uint64_t meet(call_kind kind, std::string_view complaint, std::optional<std::uint64_t> batch) const {
    const std::uint64_t call = model_ * static_cast<std::uint64_t>(call_kind::count) + static_cast<std::uint64_t>(kind);
    return all_.require_same(
        complaint,
        std::array{
            shared_number{call, "every rank must make the same calls, of the same models in the same order"},
            shared_number{
                done_alone_.value(),
                "optimizers and clip_gradients must act alike on all ranks, as often and with the same settings"},
            shared_number{batch, "the batches of a call must have the same size on all ranks"}})[2];
  }

  agreement all_;
  std::uint64_t model_;
  int threads_;
  fingerprint done_alone_;
};

}  // namespace remat
