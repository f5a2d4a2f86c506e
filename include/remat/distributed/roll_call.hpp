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

#include <remat/distributed/call_position.hpp>
#include <remat/distributed/mpi.hpp>
#include <remat/distributed/rank_positions.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <type_traits>

namespace remat::mpi {

class roll_call {
 public:
  roll_call() = default;
  /// Collective. A rank that has waited for `watchdog_seconds` asks where the others are; 0: it never does.
  roll_call(const communicator& world, double watchdog_seconds)
      : ranks_(world.duplicate()), known_(world.rank(), world.size()), watchdog_seconds_(watchdog_seconds) {}

  const call_position& here() const { return known_.here(); }
  void enter(const call_position& at) { known_.enter(at); }
  void met() { known_.met(); }

  /// Every now and then while this rank waits. Returns what ends the job, where another rank has left it.
  std::optional<std::string> look(double seconds, const char* where = nullptr) {
    const clock::time_point now = clock::now();
    if (seconds < waited_ || next_report_ == 0)  // a wait of its own
      next_report_ = watchdog_seconds_, asked_.reset();
    waited_ = seconds;
    receive(now);
    if (where == nullptr)
      if (auto text = known_.text_of_those_who_left(now)) return text;
    if (watchdog_seconds_ > 0 && known_.size() > 1) watch(now, where);
    return std::nullopt;
  }

  /// Tells the others that this rank leaves, and does not wait for them: those who wait for it end the job.
  void leave_at_once() {
    for (int r = 0; r < known_.size(); ++r)
      if (r != known_.rank()) send(notice_kind::leaving, r);
    const clock::time_point begun = clock::now();
    while (clock::now() - begun < std::chrono::milliseconds(300) &&
           !std::ranges::all_of(sent_, [](sent_notice& each) { return each.under_way.is_done(); }))
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  /// Before this rank ends the job: whether it is to say why, and not a lower rank that fails as well.
  bool tells_of_failure() {
    for (int r = 0; r < known_.size(); ++r)
      if (r != known_.rank()) send(notice_kind::failing, r);
    const clock::time_point begun = clock::now();
    while (known_.rank() > 0 && clock::now() - begun < std::chrono::milliseconds(300)) {
      receive(clock::now());
      if (has_lower_failed_) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  /// Collective, at the end: returns when all others have left, too. `wait(test)` waits.
  template <class Wait>
  void leave(const Wait& wait) {
    for (int r = 0; r < known_.size(); ++r)
      if (r != known_.rank()) send(notice_kind::leaving, r);
    is_leaving_ = true;
    wait([&] {
      receive(clock::now());
      for (int r = 0; r < known_.size(); ++r)
        if (r != known_.rank() && !known_[r].has_left) return false;
      return std::ranges::all_of(sent_, [](sent_notice& each) { return each.under_way.is_done(); });
    });
    sent_.clear();
    ranks_ = communicator();
  }

 private:
  using clock = rank_positions::clock;
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

  void send(notice_kind kind, int to) {
    sent_.remove_if([](sent_notice& each) { return each.under_way.is_done(); });
    sent_notice& made = sent_.emplace_back();
    made.content = {kind, here()};
    made.under_way = ranks_.send(std::as_bytes(std::span(&made.content, 1)), to, 0);
  }
  void receive(clock::time_point now) {
    while (const std::optional<int> from = ranks_.sender_of_message(0)) {
      notice got;
      request arrival = ranks_.receive(std::as_writable_bytes(std::span(&got, 1)), *from, 0);
      while (!arrival.is_done()) {
      }
      rank_positions::other& o = known_[*from];
      o.at = got.at;
      o.answered = now;
      if (got.kind == notice_kind::failing && *from < known_.rank()) has_lower_failed_ = true;
      if (got.kind == notice_kind::leaving) o.has_left = true, o.left = now;
      if (got.kind != notice_kind::asking) continue;
      if (!is_leaving_) send(notice_kind::waiting, *from);
      // Its report is everyone's; of two that ask at once, the lower rank reports.
      next_report_ = std::max(next_report_, waited_ + watchdog_seconds_);
      if (*from < known_.rank()) asked_.reset();
    }
  }

  void watch(clock::time_point now, const char* where) {
    if (!asked_) {
      // A lower rank asks earlier, so that the others need not.
      if (waited_ < next_report_ + 0.2 * std::min(known_.rank(), 10)) return;
      asked_ = now;
      for (int r = 0; r < known_.size(); ++r)
        if (r != known_.rank() && !known_[r].has_left) send(notice_kind::asking, r);
      return;
    }
    if (now - *asked_ < std::chrono::seconds(1)) return;
    std::fprintf(stderr, "remat: %s. The job goes on waiting (REMAT_WATCHDOG_SECONDS=0: without a word)\n",
                 known_.text_of_wait(waited_, *asked_, where).c_str());
    std::fflush(stderr);
    asked_.reset();
    next_report_ = 2 * waited_;
  }

  communicator ranks_;
  rank_positions known_;
  bool is_leaving_ = false, has_lower_failed_ = false;
  std::list<sent_notice> sent_;
  double watchdog_seconds_ = 0;
  double waited_ = 0, next_report_ = 0;
  std::optional<clock::time_point> asked_;
};

}  // namespace remat::mpi
