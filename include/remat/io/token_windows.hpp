// SPDX-License-Identifier: MIT
/// A long text as a data set for language models: windows of T tokens, and as targets the tokens that follow each.
///
///     const remat::token_file text("bible.txt");
///     const std::size_t cut = text.size() / 10 * 9;
///     const remat::token_windows train(text, {.length = 256, .last = cut}), test(text, {.length = 256, .first = cut});
///     for (auto [tokens, next] : train.batches(8, {.shuffle_seed = 1, .epoch = epoch})) model.train_step(tokens, next);
///
/// Sample i is tokens [i * stride, i * stride + T) of the part [first, last) of the file, its targets are those from
/// i * stride + 1 on. By default windows follow each other, so that each token is a target once in an epoch (what is left
/// at the end and makes no window, never); with a shorter stride they overlap. Both arrays are int32 (N, T).
#pragma once

#include <remat/core/error.hpp>
#include <remat/io/read_batches.hpp>
#include <remat/io/token_file.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>

namespace remat {

struct token_window_options {
  std::size_t length = 0;  ///< T
  std::size_t stride = 0;  ///< from window to window; 0: the length
  std::size_t first = 0;   ///< the part of the file that is read
  std::size_t last = std::numeric_limits<std::size_t>::max();
};

/// Copies share the file.
class token_windows {
 public:
  /// Throws `error` where there is no window.
  token_windows(token_file tokens, const token_window_options& options)
      : tokens_(std::move(tokens)),
        length_(options.length),
        stride_(options.stride == 0 ? options.length : options.stride),
        first_(options.first) {
    const std::size_t last = std::min(options.last, tokens_.size());
    if (length_ == 0) throw error("a window of tokens has a length of at least 1; give {.length = 256}");
    if (first_ >= last || last - first_ <= length_)
      throw data_error(tokens_.name(), "has " + std::to_string(last - std::min(first_, last)) + " tokens from " +
                                           std::to_string(first_) + " to " + std::to_string(last) +
                                           ", and a window with its targets takes " + std::to_string(length_) +
                                           " and one more");
    size_ = (last - first_ - 1 - length_) / stride_ + 1;
  }

  /// The number of windows.
  std::size_t size() const { return size_; }
  /// Tokens of a window.
  std::size_t length() const { return length_; }

  /// The windows, `batch_size` at a time, and their targets.
  read_batches<token_windows, std::int32_t, std::int32_t> batches(std::size_t batch_size,
                                                                  const batch_options& options = {}) const {
    return {*this, batch_size, options};
  }

  // What batches ask for.
  std::size_t elements(std::size_t /*array*/) const { return length_; }
  void read(std::size_t first, std::size_t count, std::span<std::int32_t> windows,
            std::span<std::int32_t> targets) const {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t start = first_ + (first + i) * stride_;
      const std::span<std::int32_t> window = windows.subspan(i * length_, length_),
                                    target = targets.subspan(i * length_, length_);
      tokens_.read(start, window);
      std::copy(window.begin() + 1, window.end(), target.begin());
      tokens_.read(start + length_, target.last(1));
    }
  }

 private:
  token_file tokens_;
  std::size_t length_, stride_, first_, size_ = 0;
};

}  // namespace remat
