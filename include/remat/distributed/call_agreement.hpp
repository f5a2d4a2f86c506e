// SPDX-License-Identifier: MIT
/// The calls in which ranks talk to each other: all of them make the same ones in the same order, of the same models,
/// with the same batches, and refuse together what one of them cannot do.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/thread_scope.hpp>
#include <remat/distributed/agreement.hpp>
#include <remat/distributed/call_position.hpp>
#include <remat/distributed/data_hash.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/source.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace remat {

/// Which ranks have what alike: those of one group are handed the same batch, those of one place in their pipelines
/// have the same parameters.
struct call_groups {
  int groups = 1;                 ///< all ranks, or one group for each replica
  int mine = 0;                   ///< this rank's
  int replicas = 1;               ///< of the model
  int places = 1;                 ///< ranks of a replica
  int place = 0;                  ///< this rank's
  bool compares_batches = false;  ///< whether ranks of a group compare what is in a batch, and not its size alone
};

/// Each rank comes here before it talks to others in a call. All models of a session meet in one place, so that two
/// ranks that call different models find each other. Where they meet in different calls, or with different batches, all
/// throw `collective_error`.
class call_agreement {
 public:
  /// `model` is the number of the model in its session. A call with a batch runs on `threads` threads.
  call_agreement(const mpi::session& session, int model, mpi::wait_mode how, int threads = 1, call_groups groups = {})
      : session_(&session),
        all_(session.meeting(), how),
        model_(static_cast<std::uint64_t>(model) + 1),
        threads_(threads),
        groups_(groups),
        mine_(parameters_of(groups.places)),
        everyones_(mine_.size()) {}

  const agreement& all() const { return all_; }

  void meet(call_kind kind) const {
    std::ranges::fill(mine_, std::nullopt);
    meet(kind, "", false);
  }

  /// The samples of a batch that all ranks accept, of this rank's group. Those without data take the others' word.
  /// `check(samples)` may throw an `error`. `parameters` is a hash of this rank's, where replicas compare them.
  template <class Check>
  std::size_t meet_with_batch(call_kind kind, const program& p, std::span<const tensor_source> sources, int inputs,
                              bool has_data, const Check& check, std::optional<std::uint64_t> parameters = {}) const {
    std::ranges::fill(mine_, std::nullopt);
    mine_[parameters_of(groups_.place)] = parameters;
    std::string complaint;
    try {
      const thread_scope all_are_there(threads_, true);
    } catch (const error& e) {
      complaint = e.what();
    }
    if (has_data && complaint.empty()) try {
        const std::size_t samples = batch_of(p, sources, inputs);
        check(samples);
        mine_[size_of(groups_.mine)] = samples;
        if (groups_.compares_batches) mine_[hash_of(groups_.mine)] = remat::hash_of(sources);
      } catch (const error& e) {
        complaint = e.what();
      }
    meet(kind, complaint, groups_.groups > 1 || parameters.has_value());
    return static_cast<std::size_t>(everyones_[size_of(groups_.mine)]);
  }
  /// Throws on all ranks where the groups' batches in the last call were of different sizes.
  void require_equal_groups() const {
    for (int g = 1; g < groups_.groups; ++g)
      if (everyones_[size_of(g)] != everyones_[size_of(0)])
        throw collective_error("replica " + std::to_string(g) + " was handed " +
                               std::to_string(everyones_[size_of(g)]) + " samples in " + text_of(session_->here()) +
                               ", and replica 0 " + std::to_string(everyones_[size_of(0)]) +
                               "; the replicas' own batches must have the same size");
  }

  /// Something that each rank does alone, and all must do alike: it is compared in the next call.
  void remember(std::span<const double> numbers) {
    for (const double each : numbers) done_alone_.add(std::bit_cast<std::uint64_t>(each));
  }
  /// What is remembered, and again as it was before something that was refused.
  const fingerprint& remembered() const { return done_alone_; }
  void restore(const fingerprint& before) { done_alone_ = before; }

 private:
  // What is compared first, in one round of messages of the same length for all models: the call, what was done alone,
  // the size of the batch and its hash. Then, where a model needs it: the last two of each group, and for each place in
  // a pipeline the hash of its parameters.
  static constexpr std::size_t the_call = 0, the_rest = 1, the_size = 2, first_round = 4;
  std::size_t size_of(int group) const {
    return groups_.groups == 1 ? the_size : first_round + 2 * static_cast<std::size_t>(group);
  }
  std::size_t hash_of(int group) const { return size_of(group) + 1; }
  std::size_t parameters_of(int place) const {
    return hash_of(groups_.groups - 1) + 1 + static_cast<std::size_t>(place);
  }

  void meet(call_kind kind, std::string_view complaint, bool needs_second_round) const {
    const auto k = static_cast<std::size_t>(kind);
    session_->enter(kind, model_, ++made_[k]);
    mine_[the_call] = model_ * static_cast<std::uint64_t>(call_kind::count) + k;
    mine_[the_rest] = done_alone_.value();
    std::optional<std::size_t> different = compared(complaint, 0, first_round);
    if (!different && needs_second_round) different = compared("", first_round, mine_.size() - first_round);
    session_->met();
    if (!different) return;
    if (*different == the_call) refuse_calls();
    const agreement::difference found = all_.differing(mine_[*different]);
    const std::string first = "rank " + std::to_string(found.first), others = text_of_ranks(found.others);
    if (*different == the_rest)
      throw collective_error("rank " + std::to_string(found.others.front()) +
                             ": optimizers and clip_gradients must act alike on all ranks, as often, with the same "
                             "settings and groups (" +
                             others + (found.others.size() == 1 ? " differs" : " differ") + " from " + first +
                             " before " + text_of(session_->here()) + ")");
    if (*different >= parameters_of(0))
      throw collective_error(
          others + (found.others.size() == 1 ? " has" : " have") + " other parameters or states than " + first +
          " before " + text_of(session_->here()) +
          "; replicas start from the same ones: set them on every rank, or load them, which all ranks "
          "do together");
    if ((*different - the_size) % 2 == 0)
      throw collective_error("rank " + std::to_string(found.others.front()) + " was handed " +
                             samples(found, found.others.front()) + " in " + text_of(session_->here()) + ", and " +
                             first + " " + samples(found, found.first) +
                             "; the batches of a call must have the same size on " + all_of_a_group());
    throw collective_error(
        others + (found.others.size() == 1 ? " was" : " were") + " handed another batch than " + first + " in " +
        text_of(session_->here()) + "; " + all_of_a_group() +
        " must be handed the same batches in the same order: the same files and element types, the same seed "
        "of the shuffle, and no batch that one of them leaves out" +
        (groups_.groups == 1 && groups_.replicas > 1
             ? "; for replicas that bring batches of their own: .inputs = inputs_from::each_replica"
             : ""));
  }

  /// Which is the first of these that differs.
  std::optional<std::size_t> compared(std::string_view complaint, std::size_t first, std::size_t count) const {
    const std::optional<std::size_t> found = all_.first_difference(complaint, std::span(mine_).subspan(first, count),
                                                                   std::span(everyones_).subspan(first, count));
    return found ? std::optional(first + *found) : std::nullopt;
  }

  [[noreturn]] void refuse_calls() const {
    const std::vector<call_position> positions = all_.gather(session_->here());
    const bool names_models = std::ranges::any_of(
        positions, [&](const call_position& each) { return each.model != positions.front().model; });
    std::string text;
    std::vector<bool> is_told(positions.size());
    for (std::size_t r = 0; r < positions.size(); ++r) {
      if (is_told[r]) continue;
      std::vector<int> together;
      for (std::size_t other = r; other < positions.size(); ++other)
        if (positions[other].is_same_call(positions[r])) {
          is_told[other] = true;
          together.push_back(static_cast<int>(other));
        }
      text += (text.empty() ? "" : ", ") + text_of_ranks(together) + (together.size() == 1 ? " is in " : " are in ") +
              text_of(positions[r], names_models);
    }
    // The likely cause, where that is all that differs.
    const bool evaluates = std::ranges::all_of(positions, [&](const call_position& each) {
      return each.model == positions.front().model &&
             (each.kind == call_kind::prediction || each.kind == call_kind::evaluation);
    });
    throw collective_error(text + ": every rank must make the same calls, of the same models in the same order" +
                           (evaluates ? "; evaluate takes as many batches on every rank" : ""));
  }

  std::string all_of_a_group() const { return groups_.groups == 1 ? "all ranks" : "all ranks of a replica"; }
  static std::string samples(const agreement::difference& found, int rank) {
    return std::to_string(found.numbers[static_cast<std::size_t>(rank)]) + " samples";
  }

  const mpi::session* session_;
  agreement all_;
  std::uint64_t model_;
  int threads_;
  call_groups groups_;
  mutable std::array<std::uint64_t, static_cast<std::size_t>(call_kind::count)> made_ = {};
  mutable std::vector<std::optional<std::uint64_t>> mine_;
  mutable std::vector<std::uint64_t> everyones_;
  fingerprint done_alone_;
};

}  // namespace remat
