// SPDX-License-Identifier: MIT
/// Batches: the samples of a data set as floats, some at a time, in stored or shuffled order.
///
///     for (auto [images, labels] : data.batches(64, {.shuffle_seed = 1, .epoch = epoch})) ...
///
/// The samples stay bytes; only the current batch exists as floats. It is a view of two buffers that the range
/// allocates at `begin` and fills anew for each batch, so it is valid until the next one. The range views the data set,
/// which must outlive it. It is an input range; each `begin` starts again from the front, in the same order.
#pragma once

#include <remat/core/error.hpp>
#include <remat/io/shuffled_order.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace remat {

/// What becomes of a last batch that is smaller than the others.
enum class last_batch { keep, drop };

struct batch_options {
  std::optional<std::uint64_t> shuffle_seed{};  ///< none: in stored order
  std::uint64_t epoch = 0;                      ///< each epoch of a seed has its own order
  last_batch last = last_batch::keep;
};

/// Some samples (N, C, H, W) and their labels (N).
struct batch {
  std::span<const float> images;
  std::span<const std::int32_t> labels;
};

/// A view of samples that are stored as bytes: `labels` has one element per sample, `bytes` equally many per sample,
/// `values` the float that each byte stands for.
struct labelled_bytes {
  std::span<const std::uint8_t> bytes;
  std::span<const std::int32_t> labels;
  std::span<const float, 256> values;
};

/// The batches of one epoch.
class batch_range {
 public:
  class iterator;

  batch_range(labelled_bytes samples, std::size_t batch_size, const batch_options& options = {})
      : samples_(samples), batch_size_(batch_size), options_(options) {
    const std::string size = std::to_string(samples.labels.size());
    if (batch_size == 0) throw error("batch size 0 cannot split " + size + " samples; at least 1 is accepted");
    if (count() == 0)
      throw error("batch size " + std::to_string(batch_size) + " with last_batch::drop leaves no batch of " + size +
                  " samples; at most " + size + ", or last_batch::keep, is accepted");
  }

  /// The number of batches.
  std::size_t count() const {
    const std::size_t samples = samples_.labels.size();
    const bool has_smaller_last = options_.last == last_batch::keep && samples % batch_size_ != 0;
    return samples / batch_size_ + (has_smaller_last ? 1 : 0);
  }

  iterator begin();
  std::default_sentinel_t end() const { return {}; }

 private:
  std::size_t sample_size() const { return samples_.bytes.size() / samples_.labels.size(); }

  void start() {
    const std::size_t samples = samples_.labels.size();
    const std::size_t largest = batch_size_ < samples ? batch_size_ : samples;
    images_.resize(largest * sample_size());
    labels_.resize(largest);
    if (options_.shuffle_seed) order_ = shuffled_order(samples, *options_.shuffle_seed, options_.epoch);
    position_ = 0;
    fill();
  }

  void advance() {
    ++position_;
    if (!is_done()) fill();
  }

  bool is_done() const { return position_ == count(); }

  void fill() {
    const std::size_t first = position_ * batch_size_;
    const std::size_t left = samples_.labels.size() - first;
    filled_ = left < batch_size_ ? left : batch_size_;
    float* to = images_.data();
    for (std::size_t i = 0; i < filled_; ++i) {
      const std::size_t sample = order_.empty() ? first + i : order_[first + i];
      labels_[i] = samples_.labels[sample];
      for (const std::uint8_t byte : samples_.bytes.subspan(sample * sample_size(), sample_size()))
        *to++ = samples_.values[byte];
    }
  }

  batch current() const {
    return {std::span{images_}.first(filled_ * sample_size()), std::span{labels_}.first(filled_)};
  }

  labelled_bytes samples_;
  std::size_t batch_size_;
  batch_options options_;
  std::vector<std::size_t> order_;  // empty: as stored
  std::vector<float> images_;
  std::vector<std::int32_t> labels_;
  std::size_t position_ = 0;  // in batches
  std::size_t filled_ = 0;    // samples of the current batch
};

class batch_range::iterator {
 public:
  using value_type = batch;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  explicit iterator(batch_range& range) : range_(&range) {}

  batch operator*() const { return range_->current(); }
  iterator& operator++() {
    range_->advance();
    return *this;
  }
  void operator++(int) { range_->advance(); }

  bool operator==(std::default_sentinel_t) const { return range_->is_done(); }

 private:
  batch_range* range_;
};

inline batch_range::iterator batch_range::begin() {
  start();
  return iterator{*this};
}

}  // namespace remat
