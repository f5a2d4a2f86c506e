// SPDX-License-Identifier: MIT
/// Random choices that a seed and the number of a case decide, whatever the machine and the standard library.
#pragma once

#include <remat/nn/extents.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace fuzz {

class random_source {
 public:
  random_source(std::uint64_t seed, std::uint64_t index) : state_(seed * 0x9e3779b97f4a7c15u + index) {
    for (int i = 0; i < 3; ++i) bits();
  }

  std::uint64_t bits() {  // SplitMix64 (Steele, Lea, Flood 2014)
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  std::size_t between(std::size_t first, std::size_t last) { return first + bits() % (last - first + 1); }
  bool one_in(std::size_t n) { return bits() % n == 0; }
  /// An extent: usually up to 20, sometimes up to `most`.
  std::size_t extent(std::size_t most) { return one_in(8) ? between(1, most) : between(1, most < 20 ? most : 20); }
  /// Channels: 1 to 40, and now and then a multiple of a vector above.
  std::size_t channels() { return one_in(10) ? 8 * between(1, 16) : between(1, 40); }
  std::size_t one_of(std::initializer_list<std::size_t> choices) { return choices.begin()[bits() % choices.size()]; }
  /// Rows and columns: usually the same draw of f for both.
  template <class F>
  auto extents_of(const F& f) {
    const std::size_t rows = f();
    return remat::nn::extents(rows, one_in(3) ? f() : rows);
  }

  /// Numbers in [-1, 1).
  std::vector<float> numbers(std::size_t size) {
    std::vector<float> made(size);
    for (float& x : made) x = static_cast<float>(bits() >> 40) / 8388608.0f - 1;
    return made;
  }

 private:
  std::uint64_t state_;
};

}  // namespace fuzz
