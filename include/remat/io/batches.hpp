// SPDX-License-Identifier: MIT
/// Batches: the samples of a data set as floats, some at a time, in stored or shuffled order.
///
///     for (auto [images, labels] : data.batches(64, {.shuffle_seed = 1, .epoch = epoch})) ...
///
/// The samples stay bytes; only the current batch exists as floats. It is a view of two buffers that the range
/// allocates at `begin` and fills anew for each batch, so it is valid until the next one. The range views the data set,
/// which must outlive it. It is an input range; each `begin` starts again from the front, in the same order.
/// in_memory.hpp has the same for arrays of numbers.
#pragma once

#include <remat/core/error.hpp>
#include <remat/io/batch_order.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <vector>

namespace remat {

/// Some samples (N, C, H, W) and their labels (N).
struct batch {
  std::span<const float> images;
  std::span<const std::int32_t> labels;
};

/// A view of samples that are stored as bytes: `labels` has one element per sample, `bytes` equally many per sample,
/// `values` the floats that bytes stand for, 256 for each channel of a sample (C, H, W), or 256 for all of them.
struct labelled_bytes {
  std::span<const std::uint8_t> bytes;
  std::span<const std::int32_t> labels;
  std::span<const float> values;
};

/// The batches of one epoch.
class batch_range {
 public:
  using value_type = batch;
  using iterator = detail::batch_iterator<batch_range>;

  batch_range(labelled_bytes samples, std::size_t batch_size, const batch_options& options = {})
      : samples_(samples), order_(samples.labels.size(), batch_size, options) {
    const std::size_t channels = samples.values.size() / 256;
    if (channels == 0 || samples.values.size() % 256 != 0 || sample_size() % channels != 0)
      throw error("bytes stand for 256 floats in each channel, and " + std::to_string(samples.values.size()) +
                  " floats for samples of " + std::to_string(sample_size()) + " bytes are none of that");
  }

  /// The number of batches of the epoch.
  std::size_t count() const { return order_.count(); }
  /// The number of the batch that comes next, after the current one within a loop, counted from 0: a run that is stopped
  /// here goes on with `{.first = position}`. `tensor_list::add_counter` has it remembered.
  std::size_t position() const { return order_.next(); }

  iterator begin() {
    images_.resize(order_.largest() * sample_size());
    labels_.resize(order_.largest());
    order_.start();
    if (!is_done()) fill();
    return iterator{*this};
  }
  std::default_sentinel_t end() const { return {}; }

  // What the iterator asks for.
  batch current() const {
    return {std::span{images_}.first(order_.size() * sample_size()), std::span{labels_}.first(order_.size())};
  }
  void advance() {
    order_.advance();
    if (!is_done()) fill();
  }
  bool is_done() const { return order_.is_done(); }

 private:
  std::size_t sample_size() const { return samples_.bytes.size() / samples_.labels.size(); }

  void fill() {
    const std::size_t channel = sample_size() / (samples_.values.size() / 256);
    float* to = images_.data();
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const std::size_t sample = order_.sample(i);
      labels_[i] = samples_.labels[sample];
      const std::uint8_t* from = samples_.bytes.data() + sample * sample_size();
      for (const float* values = samples_.values.data(); values != samples_.values.data() + samples_.values.size();
           values += 256)
        for (std::size_t k = 0; k < channel; ++k) *to++ = values[*from++];
    }
  }

  labelled_bytes samples_;
  detail::batch_order order_;
  std::vector<float> images_;
  std::vector<std::int32_t> labels_;
};

}  // namespace remat
