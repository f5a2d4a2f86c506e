// SPDX-License-Identifier: MIT
/// Which keys of a sample are attended to, as an input says: 1, or any other number but 0, where one is.
#pragma once

#include <remat/core/element.hpp>
#include <remat/core/kernel.hpp>
#include <remat/nn/attention_extents.hpp>
#include <remat/nn/attention_rows.hpp>

#include <cstddef>

namespace remat::nn::detail {

/// The keys of a tile.
struct masked_keys {
  static constexpr std::size_t most = 256;

  float values[most];
  const float* bias = nullptr;  ///< `values`: 0, or `no_score`; null where all are attended to
  std::size_t first = 0;        ///< that is attended to; `count` where none is
  std::size_t count = 0;

  bool is_empty() const { return first == count; }
};

class attention_mask {
 public:
  template <class Pass>
  attention_mask(const Pass& pass, const attention_extents& e) : keys_(e.keys) {
    if (!e.has_mask) return;
    const int last = pass.inputs() - 1;
    type_ = pass.input_shape(last).type;
    with_integer(type_, [&]<class T>(T) { mask_ = pass.template input<T>(last).data(); });
  }

  void read(std::size_t sample, std::size_t key, std::size_t count, masked_keys& to) const {
    to.count = count;
    to.first = 0;
    to.bias = nullptr;
    if (mask_ == nullptr) return;
    with_integer(type_, [&]<class T>(T) {
      const T* const mask = static_cast<const T*>(mask_) + sample * keys_ + key;
      to.first = count;
      for (std::size_t i = count; i-- > 0;) {
        to.values[i] = mask[i] != 0 ? 0 : no_score;
        if (mask[i] != 0)
          to.first = i;
        else
          to.bias = to.values;
      }
    });
  }

 private:
  std::size_t keys_;
  element type_ = element::int32;
  const void* mask_ = nullptr;
};

}  // namespace remat::nn::detail
