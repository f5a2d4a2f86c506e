// SPDX-License-Identifier: MIT
/// A roll call: while a rank waits, it finds out who has left, and who does not come.
///
/// Every rank keeps its position to itself, at no cost. A rank that leaves tells all others where it was. A rank that
/// has waited for long asks all others where they are; those who wait as well answer, since they look here while they
/// wait; those who do not answer compute, or hang.
///
/// - Where one has left that will not come to the call in which others wait, the lowest rank that is still there ends
///   the job and names it.
/// - Where a wait lasts, one rank says on stderr who waits where and for whom, and all go on waiting.
#pragma once

#include <remat/dist/call_position.hpp>
#include <remat/dist/mpi.hpp>
#include <remat/dist/rank_list.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace remat::mpi {

class roll_call {
 public:
  roll_call() = default;
  /// Collective. A rank that has waited for `watchdog_seconds` asks where the others are; 0: it never does.
  roll_call(const communicator& world, double watchdog_seconds)
      : ranks_(world.duplicate()),
        rank_(world.rank()),
        others_(static_cast<std::size_t>(world.size())),
        watchdog_seconds_(watchdog_seconds) {}

  const call_position& here() const { return here_; }
  void enter(const call_position& at) { before_ = std::exchange(here_, at); }
  void met() { here_.has_met = 1; }

  /// Every now and then while this rank waits. Returns what ends the job, where another rank has left it.
  std::optional<std::string> look(double seconds, const char* where = nullptr) {
    const clock::time_point now = clock::now();
    if (seconds < waited_ || next_report_ == 0)  // a wait of its own
      next_report_ = watchdog_seconds_, asked_.reset();
    waited_ = seconds;
    receive(now);
    if (where == nullptr)
      if (auto text = who_left(now)) return text;
    if (watchdog_seconds_ > 0 && others_.size() > 1) watch(now, where);
    return std::nullopt;
  }

  /// Before this rank ends the job: whether it is to say why, and not a lower rank that fails as well.
  bool tells_of_failure() {
    for (std::size_t r = 0; r < others_.size(); ++r)
      if (static_cast<int>(r) != rank_) send(notice_kind::failing, static_cast<int>(r));
    const clock::time_point begun = clock::now();
    while (rank_ > 0 && clock::now() - begun < std::chrono::milliseconds(300)) {
      receive(clock::now());
      if (has_lower_failed_) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  /// Collective, at the end: returns when all others have left, too. `wait(test)` waits.
  template <class Wait>
  void leave(const Wait& wait) {
    for (std::size_t r = 0; r < others_.size(); ++r)
      if (static_cast<int>(r) != rank_) send(notice_kind::leaving, static_cast<int>(r));
    is_leaving_ = true;
    wait([&] {
      receive(clock::now());
      for (std::size_t r = 0; r < others_.size(); ++r)
        if (static_cast<int>(r) != rank_ && !others_[r].has_left) return false;
      return std::ranges::all_of(sent_, [](sent_notice& each) { return each.under_way.is_done(); });
    });
    sent_.clear();
    ranks_ = communicator();
  }

 private:
  using clock = std::chrono::steady_clock;
  enum class notice_kind : std::uint64_t { asking, waiting, leaving, failing };
  struct notice {
    notice_kind kind = notice_kind::waiting;
    call_position at = {};
  };
  static_assert(std::is_trivially_copyable_v<notice>);
  struct sent_notice {
    notice content;
    request under_way;
  };
  struct other {
    call_position at;
    bool has_left = false;
    clock::time_point left = {};
    clock::time_point answered = {};
  };

  void send(notice_kind kind, int to) {
    sent_.remove_if([](sent_notice& each) { return each.under_way.is_done(); });
    sent_notice& made = sent_.emplace_back();
    made.content = {kind, here_};
    made.under_way = ranks_.send(std::as_bytes(std::span(&made.content, 1)), to, 0);
  }
  void receive(clock::time_point now) {
    while (const std::optional<int> from = ranks_.sender_of_message(0)) {
      notice got;
      request arrival = ranks_.receive(std::as_writable_bytes(std::span(&got, 1)), *from, 0);
      while (!arrival.is_done()) {
      }
      other& o = others_[static_cast<std::size_t>(*from)];
      o.at = got.at;
      o.answered = now;
      if (got.kind == notice_kind::failing && *from < rank_) has_lower_failed_ = true;
      if (got.kind == notice_kind::leaving) o.has_left = true, o.left = now;
      if (got.kind != notice_kind::asking) continue;
      if (!is_leaving_) send(notice_kind::waiting, *from);
      // Its report is everyone's; of two that ask at once, the lower rank reports.
      next_report_ = std::max(next_report_, waited_ + watchdog_seconds_);
      if (*from < rank_) asked_.reset();
    }
  }

  std::optional<std::string> who_left(clock::time_point now) const {
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

  void watch(clock::time_point now, const char* where) {
    if (!asked_) {
      // A lower rank asks earlier, so that the others need not.
      if (waited_ < next_report_ + 0.2 * std::min(rank_, 10)) return;
      asked_ = now;
      for (std::size_t r = 0; r < others_.size(); ++r)
        if (static_cast<int>(r) != rank_ && !others_[r].has_left) send(notice_kind::asking, static_cast<int>(r));
      return;
    }
    if (now - *asked_ < std::chrono::seconds(1)) return;
    report(where);
    asked_.reset();
    next_report_ = 2 * waited_;
  }

  void report(const char* where) const {
    std::vector<int> waiting, gone, missing, computing;
    for (std::size_t r = 0; r < others_.size(); ++r) {
      const other& o = others_[r];
      const int number = static_cast<int>(r);
      if (number == rank_) continue;
      if (o.has_left)
        gone.push_back(number);
      else if (o.answered >= *asked_)
        waiting.push_back(number);
      else
        (here_.has_met != 0 && where == nullptr ? computing : missing).push_back(number);
    }
    const auto tell = [](const std::vector<int>& ranks, const std::string& one, const std::string& several) {
      return ranks.empty() ? std::string() : "; " + text_of_ranks(ranks) + (ranks.size() == 1 ? one : several);
    };
    const std::string call = where != nullptr ? where : text_of(here_, names_models());
    std::string text = "rank " + std::to_string(rank_) + " has waited " + std::to_string(static_cast<int>(waited_)) +
                       " seconds in " + call;
    const std::string since =
        here_.has_met != 0 || before_.calls == 0 ? "" : " since " + text_of(before_, names_models());
    text += tell(missing, " has not come there" + since + ", and is in user code or hangs",
                 " have not come there" + since + ", and are in user code or hang");
    text += tell(computing, " is in this call or just after it, and computes or hangs",
                 " are in this call or just after it, and compute or hang");
    for (std::size_t i = 0; i < waiting.size();) {  // those who wait in one call are named together
      const call_position& at = others_[static_cast<std::size_t>(waiting[i])].at;
      std::size_t end = i + 1;
      while (end < waiting.size() && others_[static_cast<std::size_t>(waiting[end])].at.is_same_call(at)) ++end;
      const std::vector<int> together(waiting.begin() + static_cast<std::ptrdiff_t>(i),
                                      waiting.begin() + static_cast<std::ptrdiff_t>(end));
      text += "; " + text_of_ranks(together) + (together.size() == 1 ? " waits in " : " wait in ") +
              text_of(at, names_models());
      i = end;
    }
    text += tell(gone, " has left", " have left");
    std::fprintf(stderr, "remat: %s. The job goes on waiting (REMAT_WATCHDOG_SECONDS=0: without a word)\n",
                 text.c_str());
    std::fflush(stderr);
  }

  bool names_models() const {
    return here_.model > 1 || std::ranges::any_of(others_, [](const other& o) { return o.at.model > 1; });
  }

  communicator ranks_;
  int rank_ = 0;
  bool is_leaving_ = false, has_lower_failed_ = false;
  call_position here_, before_;
  std::vector<other> others_;
  std::list<sent_notice> sent_;
  double watchdog_seconds_ = 0;
  double waited_ = 0, next_report_ = 0;
  std::optional<clock::time_point> asked_;
};

}  // namespace remat::mpi
