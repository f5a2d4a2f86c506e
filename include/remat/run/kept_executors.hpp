// SPDX-License-Identifier: MIT
/// The executors that are kept of one kind of step, in the order in which they were last asked for.
///
/// A batch size has several: of the first micro-batch, of those after it, and of steps that update parameters. Those
/// for one number of threads are forgotten together.
#pragma once

#include <remat/core/thread_scope.hpp>
#include <remat/plan/plan.hpp>
#include <remat/run/executor.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace remat {

class kept_executors {
 public:
  /// The one for this step on the threads that there are now, or null. It is then the one that was asked for last.
  executor* find(std::size_t batch, bool accumulates, updating updates) {
    for (auto at = all_.begin(); at != all_.end(); ++at)
      if ((*at)->planned().batch == batch && (*at)->accumulates() == accumulates &&
          (*at)->planned().updates == updates && (*at)->threads() == primitive_threads()) {
        std::rotate(at, at + 1, all_.end());
        return all_.back().get();
      }
    return nullptr;
  }
  /// As the one that was asked for last.
  executor& add(std::unique_ptr<executor> fresh) {
    all_.push_back(std::move(fresh));
    return *all_.back();
  }

  /// Forgets the batch sizes that were not asked for for the longest time, until there are at most `most`; but not this
  /// executor, nor the one that was asked for last.
  void forget_oldest(std::size_t most, const executor* held) {
    for (auto at = all_.begin(); sizes() > most && at + 1 != all_.end();) {
      const auto is_alike = [oldest = size(**at)](const auto& each) { return size(*each) == oldest; };
      if (at->get() == held || std::any_of(at + 1, all_.end(), is_alike)) {
        ++at;
        continue;
      }
      std::erase_if(all_, [&](const auto& each) { return is_alike(each) && each.get() != held; });
      at = all_.begin();
    }
  }
  void clear() { all_.clear(); }

  bool empty() const { return all_.empty(); }
  /// How many batch sizes there are.
  std::size_t sizes() const {
    std::size_t found = 0;
    for (auto at = all_.begin(); at != all_.end(); ++at)
      if (std::none_of(at + 1, all_.end(), [&](const auto& later) { return size(*later) == size(**at); })) ++found;
    return found;
  }
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }

 private:
  /// What executors that are forgotten together are for.
  struct size {
    std::size_t batch;
    int threads;

    explicit size(const executor& e) : batch(e.planned().batch), threads(e.threads()) {}
    bool operator==(const size&) const = default;
  };

  std::vector<std::unique_ptr<executor>> all_;
};

}  // namespace remat
