// SPDX-License-Identifier: MIT
/// Which samples each batch of an epoch holds, in stored or shuffled order, and which of them are a replica's.
///
///     data.batches(64, {.shuffle_seed = 1, .epoch = epoch})                                       // all of each batch
///     data.batches(64, {..., .replica = model.replica(), .replicas = model.replicas()})           // a replica's share
///
/// The shares of the replicas of `distributed_model`, with `.inputs = inputs_from::each_replica`, are together the
/// batch of one process, whatever the number of replicas, and nobody reads the samples of others.
#pragma once

#include <remat/core/error.hpp>
#include <remat/io/shuffled_order.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace remat {

/// What becomes of a last batch that is smaller than the others.
enum class last_batch { keep, drop };

struct batch_options {
  std::optional<std::uint64_t> shuffle_seed{};  ///< none: in stored order
  std::uint64_t epoch = 0;                      ///< each epoch of a seed has its own order
  last_batch last = last_batch::keep;
  std::size_t first = 0;  ///< the batch to begin with: `position()` of a run that was stopped
  /// Batches are split over this many replicas, evenly and in order, and hold the samples of this one of them.
  int replica = 0, replicas = 1;
};

namespace detail {

class batch_order {
 public:
  /// Throws `error` where these options give no batch.
  batch_order(std::size_t samples, std::size_t batch_size, const batch_options& options)
      : samples_(samples), batch_size_(batch_size), options_(options) {
    const std::string size = std::to_string(samples);
    if (batch_size == 0) throw error("batch size 0 cannot split " + size + " samples; at least 1 is accepted");
    if (samples == 0) throw error("there are no samples to make batches of; at least 1 is accepted");
    if (count() == 0)
      throw error("batch size " + std::to_string(batch_size) + " with last_batch::drop leaves no batch of " + size +
                  " samples; at most " + size + ", or last_batch::keep, is accepted");
    require_split();
    if (options.first > count())
      throw error("batch " + std::to_string(options.first) + " to begin with is none of this epoch, which has " +
                  std::to_string(count()) + ", counted from 0; 0 to " + std::to_string(count()) + " is accepted");
  }

  /// The number of batches.
  std::size_t count() const {
    const bool has_smaller_last = options_.last == last_batch::keep && samples_ % batch_size_ != 0;
    return samples_ / batch_size_ + (has_smaller_last ? 1 : 0);
  }
  /// Samples of the largest batch, as far as they are this replica's.
  std::size_t largest() const { return std::min(batch_size_, samples_) / replicas(); }
  bool is_shuffled() const { return options_.shuffle_seed.has_value(); }

  /// Goes to the batch to begin with, which may be the end.
  void start() {
    if (is_shuffled() && order_.empty()) order_ = shuffled_order(samples_, *options_.shuffle_seed, options_.epoch);
    position_ = options_.first;
    has_begun_ = true;
  }
  void advance() { ++position_; }
  bool is_done() const { return position_ == count(); }
  /// The batch that comes next, after the current one if there is one, counted from 0.
  std::size_t next() const { return has_begun_ && !is_done() ? position_ + 1 : position_; }

  /// Of the current batch, what is this replica's: its place in the order, its samples, and which is sample i of it.
  std::size_t first() const { return position_ * batch_size_ + static_cast<std::size_t>(options_.replica) * size(); }
  std::size_t size() const { return std::min(batch_size_, samples_ - position_ * batch_size_) / replicas(); }
  std::size_t sample(std::size_t i) const { return is_shuffled() ? order_[first() + i] : first() + i; }

 private:
  std::size_t replicas() const { return static_cast<std::size_t>(options_.replicas); }

  /// Replicas have batches of the same size.
  void require_split() const {
    const std::string number = std::to_string(options_.replicas);
    if (options_.replicas < 1 || options_.replica < 0 || options_.replica >= options_.replicas)
      throw error("replica " + std::to_string(options_.replica) + " is none of " + number +
                  " replicas; 0 to their number, less one, is accepted");
    const std::size_t rest = samples_ % batch_size_;
    if (samples_ >= batch_size_ && batch_size_ % replicas() != 0)
      throw error("batch size " + std::to_string(batch_size_) + " does not split over " + number +
                  " replicas; a multiple of " + number + " is accepted");
    if (options_.last == last_batch::keep && rest % replicas() != 0)
      throw error("the last batch, of " + std::to_string(rest) + " samples, does not split over " + number +
                  " replicas; last_batch::drop leaves it out");
  }

  std::size_t samples_, batch_size_;
  batch_options options_;
  std::vector<std::size_t> order_;         // empty: as stored
  std::size_t position_ = options_.first;  // in batches
  bool has_begun_ = false;
};

}  // namespace detail
}  // namespace remat
