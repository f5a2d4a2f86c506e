// SPDX-License-Identifier: MIT
/// What a language model of bytes is compared with: gzip, and an order-3 Markov model. Both give the bits that a byte
/// of held-out text takes.
#pragma once

#include <zlib.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace text_models {

/// The bytes of a file.
inline std::vector<std::uint8_t> read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Bits per byte of what `gzip -9` writes for this text.
inline double gzip_bits_per_byte(std::span<const std::uint8_t> text) {
  constexpr int level = 9, window_of_gzip = 15 + 16, memory = 8;
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, window_of_gzip, memory, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("zlib cannot compress");
  std::vector<std::uint8_t> out(deflateBound(&stream, static_cast<uLong>(text.size())));
  stream.next_in = const_cast<Bytef*>(text.data());  // which zlib does not write to
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int ended = deflate(&stream, Z_FINISH);
  const double bytes = static_cast<double>(stream.total_out);
  deflateEnd(&stream);
  if (ended != Z_STREAM_END) throw std::runtime_error("zlib cannot compress the text as a whole");
  return 8 * bytes / static_cast<double>(text.size());
}

/// The distribution of a byte after the three before it, with Witten-Bell's back-off (Witten and Bell 1991, method C):
///
///     P(b | context) = (count(context b) + kinds(context) P(b | shorter context)) / (count(context) + kinds(context))
///
/// where `kinds` is the number of different bytes that have followed the context, down to P(b) = 1 / 256.
class markov {
 public:
  static constexpr std::size_t order = 3;

  explicit markov(std::span<const std::uint8_t> training) {
    for (std::size_t i = 0; i < training.size(); ++i)
      for (std::size_t length = 0; length <= order && length <= i; ++length) {
        const std::uint64_t context = key(training, i, length);
        followed& all = contexts_[context];
        ++all.count;
        if (counts_[context << 8 | training[i]]++ == 0) ++all.kinds;
      }
  }

  /// Of a text that it has not been trained on, each byte after those before it.
  double bits_per_byte(std::span<const std::uint8_t> text) const {
    double bits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      double p = 1.0 / 256;
      for (std::size_t length = 0; length <= order && length <= i; ++length) {
        const std::uint64_t context = key(text, i, length);
        const auto all = contexts_.find(context);
        if (all == contexts_.end()) break;  // nor has any longer context been seen
        const auto seen = counts_.find(context << 8 | text[i]);
        p = ((seen == counts_.end() ? 0 : seen->second) + all->second.kinds * p) /
            (all->second.count + all->second.kinds);
      }
      bits -= std::log2(p);
    }
    return bits / static_cast<double>(text.size());
  }

 private:
  struct followed {
    double count = 0, kinds = 0;
  };

  /// The `length` bytes before i, and their number.
  static std::uint64_t key(std::span<const std::uint8_t> text, std::size_t i, std::size_t length) {
    std::uint64_t bytes = length;
    for (std::size_t k = i - length; k < i; ++k) bytes = bytes << 8 | text[k];
    return bytes;
  }

  std::unordered_map<std::uint64_t, followed> contexts_;
  std::unordered_map<std::uint64_t, double> counts_;
};

}  // namespace text_models
