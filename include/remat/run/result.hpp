// SPDX-License-Identifier: MIT
/// Where a step's results go: outputs, and gradients of inputs, in memory that the next step uses again.
///
/// A kernel leaves images channels-last; `finish` brings them into (N, C, H, W).
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/tensor.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace remat {

class results {
 public:
  void begin() {
    count_ = 0;
    views_.clear();
  }
  /// Makes room for a tensor of float.
  void expect(const tensor_shape& shape, std::size_t batch) {
    slot& s = next();
    s.shape = shape;
    s.values.resize(shape.elements(batch));
    views_.push_back(std::as_writable_bytes(std::span(s.values)));
  }
  /// A result that goes elsewhere.
  void expect_raw(std::span<std::byte> to) {
    next().values.clear();
    views_.push_back(to);
  }
  std::span<const std::span<std::byte>> views() const { return views_; }

  void finish() {
    for (std::size_t i = 0; i < count_; ++i) {
      slot& s = slots_[i];
      const tensor_shape& shape = s.shape;
      if (s.values.empty() || !shape.is_image() || shape.channels() == 1) continue;
      const std::size_t channels = shape.channels(), pixels = shape.height() * shape.width();
      reordered_.resize(s.values.size());
      for (std::size_t n = 0; n < s.values.size() / shape.elements(); ++n)
        for (std::size_t c = 0; c < channels; ++c)
          for (std::size_t pixel = 0; pixel < pixels; ++pixel)
            reordered_[(n * channels + c) * pixels + pixel] = s.values[(n * pixels + pixel) * channels + c];
      std::ranges::copy(reordered_, s.values.begin());  // spans of the last call stay where they are
    }
  }

  std::size_t bytes() const {
    std::size_t sum = reordered_.capacity();
    for (const slot& s : slots_) sum += s.values.capacity();
    return sum * sizeof(float);
  }

  std::span<const float> at(std::size_t i) const {
    if (i >= count_) throw error("there is no result number " + std::to_string(i) + "; they are counted from 0");
    return slots_[i].values;
  }

 private:
  struct slot {
    tensor_shape shape = {};
    std::vector<float> values = {};
  };

  slot& next() {
    if (count_ == slots_.size()) slots_.emplace_back();
    return slots_[count_++];
  }

  std::vector<slot> slots_;
  std::size_t count_ = 0;
  std::vector<std::span<std::byte>> views_;
  std::vector<float> reordered_;
};

}  // namespace remat
