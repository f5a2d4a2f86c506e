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
#include <remat/core/shaped_images.hpp>
#include <remat/io/epoch_batches.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <vector>

namespace remat {

/// Some samples (N, C, H, W) and their labels (N).
struct batch {
  shaped_images images;
  std::span<const std::int32_t> labels;
};

/// A view of samples that are stored as bytes: `labels` has one element per sample, `bytes` equally many per sample,
/// `values` the floats that bytes mean, 256 for each channel of a sample (C, H, W), or 256 for all of them, and
/// `extents` those of a sample, where they are known.
struct labelled_bytes {
  std::span<const std::uint8_t> bytes;
  std::span<const std::int32_t> labels;
  std::span<const float> values;
  shaped_images::extents_of_image extents = {};
};

/// The batches of one epoch.
class batch_range : public detail::epoch_batches<batch_range> {
 public:
  using value_type = batch;
  using iterator = detail::batch_iterator<batch_range>;

  batch_range(labelled_bytes samples, std::size_t batch_size, const batch_options& options = {})
      : epoch_batches(detail::batch_order(samples.labels.size(), batch_size, options)), samples_(samples) {
    const std::size_t channels = samples.values.size() / 256;
    if (channels == 0 || samples.values.size() % 256 != 0 || sample_size() % channels != 0)
      throw error("bytes mean 256 floats in each channel, and " + std::to_string(samples.values.size()) +
                  " floats for samples of " + std::to_string(sample_size()) + " bytes are none of that");
  }

  batch current() const {
    return {{std::span{images_}.first(order_.size() * sample_size()), samples_.extents},
            std::span{labels_}.first(order_.size())};
  }

 private:
  friend epoch_batches;

  void allocate() {
    images_.resize(order_.largest() * sample_size());
    labels_.resize(order_.largest());
  }
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
  std::vector<float> images_;
  std::vector<std::int32_t> labels_;
};

}  // namespace remat
