// SPDX-License-Identifier: MIT
/// Where all ranks are, as far as one of them knows, and how it says so: who has left, who waits where, who does not
/// come.
#pragma once

#include <remat/distributed/call_position.hpp>
#include <remat/distributed/rank_list.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace remat::mpi {

class rank_positions {
 public:
  using clock = std::chrono::steady_clock;
  /// What a rank has told of itself.
  struct other {
    call_position at;
    bool has_left = false;
    clock::time_point left = {};
    clock::time_point answered = {};
  };

  rank_positions() = default;
  /// Of this rank among `ranks`.
  rank_positions(int rank, int ranks) : rank_(rank), others_(static_cast<std::size_t>(ranks)) {}

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(others_.size()); }
  other& operator[](int rank) { return others_[static_cast<std::size_t>(rank)]; }
  const other& operator[](int rank) const { return others_[static_cast<std::size_t>(rank)]; }

  /// In which call this rank is, or was last.
  const call_position& here() const { return here_; }
  void enter(const call_position& at) { before_ = std::exchange(here_, at); }
  void met() { here_.has_met = 1; }

  /// What ends the job where ranks have left that will not come to the call in which this one waits: on the rank that
  /// is to say so.
  std::optional<std::string> text_of_those_who_left(clock::time_point now) const {
    std::vector<int> gone;
    std::size_t lower = 0;  // that are still there
    clock::time_point since = now;
    for (std::size_t r = 0; r < others_.size(); ++r) {
      const other& o = others_[r];
      if (o.has_left && o.at.calls < here_.calls) {
        gone.push_back(static_cast<int>(r));
        since = std::min(since, o.left);
      } else if (!o.has_left && static_cast<int>(r) < rank_) {
        ++lower;
      }
    }
    if (gone.empty()) return std::nullopt;
    // One rank tells: the lowest one that is still there, or another if that one does not come.
    if (now - since < std::chrono::seconds(lower == 0 ? 0 : std::min<std::size_t>(2 + lower, 6))) return std::nullopt;
    std::string text = text_of_ranks(gone) + (gone.size() == 1 ? " has" : " have") + " left the program, after ";
    text += text_of(others_[static_cast<std::size_t>(gone.front())].at, names_models());
    text += ", and rank " + std::to_string(rank_) + " waits in " + text_of(here_, names_models());
    return text +
           "; all ranks make the same calls, as many batches on each, and an error of one rank is caught outside "
           "of the session's scope, or not at all";
  }

  /// After this rank has waited `waited` seconds, and those that it has `asked` and that wait, too, have answered
  /// since. It waits in its call, or at the place that `where` names.
  std::string text_of_wait(double waited, clock::time_point asked, const char* where) const {
    std::vector<int> waiting, gone, missing, computing;
    for (std::size_t r = 0; r < others_.size(); ++r) {
      const other& o = others_[r];
      const int number = static_cast<int>(r);
      if (number == rank_) continue;
      if (o.has_left)
        gone.push_back(number);
      else if (o.answered >= asked)
        waiting.push_back(number);
      else
        (here_.has_met != 0 && where == nullptr ? computing : missing).push_back(number);
    }
    const auto tell = [](const std::vector<int>& ranks, const std::string& one, const std::string& several) {
      return ranks.empty() ? std::string() : "; " + text_of_ranks(ranks) + (ranks.size() == 1 ? one : several);
    };
    const std::string call = where != nullptr ? where : text_of(here_, names_models());
    std::string text = "rank " + std::to_string(rank_) + " has waited " + std::to_string(static_cast<int>(waited)) +
                       " seconds in " + call;
    const std::string since =
        here_.has_met != 0 || before_.calls == 0 ? "" : " since " + text_of(before_, names_models());
    text += tell(missing, " has not come there" + since + ", and is in user code or hangs",
                 " have not come there" + since + ", and are in user code or hang");
    text += tell(computing, " is in this call or just after it, and computes or hangs",
                 " are in this call or just after it, and compute or hang");
    while (!waiting.empty()) {  // those who wait in one call are named together
      const call_position& at = others_[static_cast<std::size_t>(waiting.front())].at;
      std::vector<int> together, elsewhere;
      for (const int rank : waiting)
        (others_[static_cast<std::size_t>(rank)].at.is_same_call(at) ? together : elsewhere).push_back(rank);
      text += "; " + text_of_ranks(together) + (together.size() == 1 ? " waits in " : " wait in ") +
              text_of(at, names_models());
      waiting = std::move(elsewhere);
    }
    text += tell(gone, " has left", " have left");
    return text;
  }

 private:
  bool names_models() const {
    return here_.model > 1 || std::ranges::any_of(others_, [](const other& o) { return o.at.model > 1; });
  }

  int rank_ = 0;
  call_position here_, before_;
  std::vector<other> others_;
};

}  // namespace remat::mpi
