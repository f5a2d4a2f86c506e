// SPDX-License-Identifier: MIT
/// The sum of gradients over replicas, in buckets, during the backward pass or after it, as in Li et al. 2020, "PyTorch
/// Distributed: Experiences on Accelerating Data Parallel Training".
///
/// Backward makes gradients final from the last operation to the first. A bucket is a run of parameters whose gradients
/// are together; when the last micro-batch's backward action of each of its operations is done, its sum begins, and MPI
/// goes on with it between the actions that follow. A parameter with several places is summed at the end, when these
/// are added up.
///
/// Buckets are the same either way, and so are the bits. `allreduce::after` begins them when the backward pass is over.
///
/// In a step that updates parameters, one is updated when the sum of its bucket has ended and its stage needs its
/// values no more, whichever is later.
#pragma once

#include <remat/distributed/gradient_listener.hpp>
#include <remat/distributed/message_wait.hpp>
#include <remat/distributed/mpi.hpp>
#include <remat/distributed/pipeline_trace.hpp>
#include <remat/plan/backward_needs.hpp>
#include <remat/run/gradient_receiver.hpp>
#include <remat/run/parameter_store.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace remat {

enum class allreduce : std::uint8_t { overlapped, after };

class gradient_reduction : public gradient_listener, public gradient_receiver {
 public:
  /// Of the parameters that `store` holds; `is_held` says which operations run here.
  template <class IsHeld>
  gradient_reduction(const program& p, const IsHeld& is_held, parameter_store& store, const mpi::communicator& replicas,
                     mpi::wait_mode how, std::size_t bucket_bytes)
      : replicas_(&replicas), how_(how), bucket_of_slot_(p.parameters.size(), core::none) {
    if (replicas.size() == 1 || p.loss == core::none) return;
    store.gradient_memory().provide(gradient_need::replicas);
    const core::list<backward_need> needs = detail::backward_needs(p);
    std::vector<bool> places(p.parameters.size());  // whether the owner has several
    for (const parameter_slot& slot : p.parameters) {
      const std::size_t owner = static_cast<std::size_t>(slot.owner);
      if (&slot != &p.parameters[slot.owner]) places[owner] = true;
    }
    std::size_t open_bytes = bucket_bytes;  // so that the first one opens a bucket
    for (int i = p.operations.count(); i-- > 0;) {
      const operation& o = p.operations[i];
      if (!is_held(o)) continue;
      for (int k = o.parameters; k-- > 0;) {
        const int slot = o.first_parameter + k;
        const std::span<float> gradient = store.gradient(slot);
        if (gradient.empty()) continue;
        if (places[static_cast<std::size_t>(p.parameters[slot].owner)]) {
          if (is_first_held(p, store, slot)) late_.push_back({gradient});
          open_bytes = bucket_bytes;
          continue;
        }
        if (!needs[i].parameters) continue;  // its gradient stays zero
        if (open_bytes >= bucket_bytes || !extends(buckets_.back(), gradient)) {
          buckets_.push_back({gradient});
          open_bytes = 0;
        }
        bucket& b = buckets_.back();
        b.slots.push_back(slot);
        b.gradients = {gradient.data(),
                       static_cast<std::size_t>(b.gradients.data() + b.gradients.size() - gradient.data())};
        open_bytes += gradient.size_bytes();
        bucket_of_slot_[static_cast<std::size_t>(slot)] = static_cast<int>(buckets_.size()) - 1;
      }
    }
    for (bucket& b : late_) buckets_.push_back(b);
    requests_.reserve(buckets_.size() + more_pieces());
    started_.reserve(buckets_.size());
    gradients_.resize(p.parameters.size());
  }

  /// Before the backward pass of a step. Sums go to `updates`, where there is one.
  void begin(bool overlaps, pipeline_trace* trace, gradient_receiver* updates = nullptr) {
    overlaps_ = overlaps;
    trace_ = trace;
    updates_ = updates;
    for (bucket& b : buckets_) {
      b.pending = b.slots.size();
      b.is_started = b.has_ended = false;
    }
    std::ranges::fill(gradients_, std::span<const float>());
    requests_.clear();
    started_.clear();
    oldest_ = ended_ = 0;
  }
  void final_gradients(const operation& o) override {
    for (int k = 0; k < o.parameters; ++k) {
      const int number = bucket_of_slot_[static_cast<std::size_t>(o.first_parameter + k)];
      if (number == core::none) continue;
      bucket& b = buckets_[static_cast<std::size_t>(number)];
      if (--b.pending == 0 && overlaps_) start(b);
    }
  }
  void progress() override {
    while (oldest_ < requests_.size() && requests_[oldest_].is_done()) ++oldest_;
    for (; ended_ < started_.size() && started_[ended_].end <= oldest_; ++ended_) {
      if (trace_ != nullptr) trace_->reductions[ended_].end = trace_->now();
      bucket& b = buckets_[started_[ended_].bucket];
      b.has_ended = true;
      if (updates_ == nullptr) continue;
      for (const int slot : b.slots)
        if (const std::span<const float> gradient = gradients_[static_cast<std::size_t>(slot)]; !gradient.empty())
          updates_->final_gradient(slot, gradient);
    }
  }
  /// The stage needs the parameter no more.
  void final_gradient(int owner, std::span<const float> gradient) override {
    const int number = bucket_of_slot_[static_cast<std::size_t>(owner)];
    if (number == core::none) return;  // updated after the step
    if (buckets_[static_cast<std::size_t>(number)].has_ended)
      updates_->final_gradient(owner, gradient);
    else
      gradients_[static_cast<std::size_t>(owner)] = gradient;
  }
  /// After the backward pass: begins what has not begun, and waits for all.
  void finish() {
    for (bucket& b : buckets_)
      if (!b.is_started) start(b);
    mpi::wait_until(how_, [&] {
      progress();
      return oldest_ == requests_.size();
    });
  }

 private:
  struct bucket {
    std::span<float> gradients = {};
    std::vector<int> slots = {};  // of the parameters, where each has one
    std::size_t pending = 0;
    bool is_started = false, has_ended = false;
  };
  struct started {
    std::size_t bucket, end;  // one past its last request
  };

  /// Whether a gradient is just before a bucket's.
  static bool extends(const bucket& b, std::span<const float> gradient) {
    return gradient.data() + aligned(gradient.size_bytes()) / sizeof(float) == b.gradients.data();
  }
  static bool is_first_held(const program& p, parameter_store& store, int slot) {
    for (int i = 0; i < slot; ++i)
      if (p.parameters[i].owner == p.parameters[slot].owner && !store.gradient(i).empty()) return false;
    return true;
  }
  std::size_t more_pieces() const {
    std::size_t more = 0;
    for (const bucket& b : buckets_) more += b.gradients.size_bytes() / mpi::communicator::largest_message;
    return more;
  }
  void start(bucket& b) {
    b.is_started = true;
    if (trace_ != nullptr) trace_->reductions.push_back({trace_->now(), 0, b.gradients.size_bytes()});
    mpi::in_pieces(b.gradients, [&](std::span<float> piece) { requests_.push_back(replicas_->sum(piece)); });
    started_.push_back({static_cast<std::size_t>(&b - buckets_.data()), requests_.size()});
  }

  const mpi::communicator* replicas_;
  mpi::wait_mode how_;
  std::vector<int> bucket_of_slot_;
  std::vector<bucket> buckets_, late_;
  std::vector<mpi::request> requests_;
  std::vector<started> started_;  // in the order in which they have begun
  std::size_t oldest_ = 0, ended_ = 0;
  gradient_receiver* updates_ = nullptr;
  std::vector<std::span<const float>> gradients_;  // of each slot that waits for its sum alone
  bool overlaps_ = true;
  pipeline_trace* trace_ = nullptr;
};

}  // namespace remat
