// SPDX-License-Identifier: MIT
/// Where a rank is: in which call of which model, as messages name it.
#pragma once

#include <remat/core/language.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace remat {

/// The calls in which ranks talk to each other.
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
  gathering,
  count
};

/// Plain numbers, which ranks send to each other.
struct call_position {
  call_kind kind = call_kind::construction;
  std::uint64_t model = 0;    ///< in the order in which a session's models are built, from 1; 0 before the first call
  std::uint64_t number = 0;   ///< of the calls of this kind and model, from 1
  std::uint64_t calls = 0;    ///< of all kinds and models
  std::uint64_t has_met = 0;  ///< whether the other ranks have come to this call, too

  bool is_same_call(const call_position& other) const {
    return kind == other.kind && model == other.model && number == other.number;
  }
};
static_assert(std::is_trivially_copyable_v<call_position>);

/// `train_step 12`, and `of model 2` where a job has several and the reader may ask which.
inline std::string text_of(const call_position& at, bool names_model = false) {
  if (at.calls == 0) return "no call of remat's";
  constexpr std::array<const char*, static_cast<std::size_t>(call_kind::count)> names{
      "the construction",
      "train_step",
      "predict",
      "evaluate",
      "clip_gradients",
      "the exchange of updates in optimizer.step",
      "save_weights or load_weights",
      "gather_timeline",
      "audit",
      "profile",
      "of_all_ranks"};
  std::string text = names[static_cast<std::size_t>(at.kind)];
  if (at.kind != call_kind::construction) text += " " + std::to_string(at.number);
  if (names_model || at.kind == call_kind::construction) text += " of model " + std::to_string(at.model);
  return text;
}

}  // namespace remat
