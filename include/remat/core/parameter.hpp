// SPDX-License-Identifier: MIT
/// Parameters of a module: their names, shapes and initial values, as values.
#pragma once

#include <remat/core/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

namespace remat {

/// How a parameter starts.
struct initial {
  enum class distribution : std::uint8_t { constant, uniform, normal };

  distribution kind = distribution::constant;
  double value = 0;  ///< the constant, the number of inputs that one output reads (fan-in), or the standard deviation

  static constexpr initial constant(double value) { return {distribution::constant, value}; }
  /// Uniform in [-1/sqrt(fan_in), 1/sqrt(fan_in)): what PyTorch gives the weights and biases of linear and conv2d,
  /// Kaiming uniform with a = sqrt(5) (He et al. 2015).
  static constexpr initial uniform_fan_in(std::size_t fan_in) {
    return {distribution::uniform, static_cast<double>(fan_in)};
  }
  /// Normal with mean 0: what PyTorch gives the rows of an embedding.
  static constexpr initial normal(double deviation) { return {distribution::normal, deviation}; }

  /// Fills a parameter; `stream` names it, so that its values depend on the seed and its place alone.
  void fill(std::span<float> values, const random_stream& stream) const {
    if (kind == distribution::constant) {
      for (float& v : values) v = static_cast<float>(value);
      return;
    }
    const float bound = static_cast<float>(1 / std::sqrt(value));
    for (std::size_t i = 0; i < values.size(); i += 4) {
      const auto bits = stream.block(i / 4);
      std::array<float, 4> drawn;
      for (std::size_t lane = 0; lane < 4; lane += 2) {
        if (kind == distribution::uniform) {
          drawn[lane] = (2 * random_stream::uniform(bits[lane]) - 1) * bound;
          drawn[lane + 1] = (2 * random_stream::uniform(bits[lane + 1]) - 1) * bound;
        } else {
          const std::array<double, 2> pair = normal_pair(bits[lane], bits[lane + 1]);
          drawn[lane] = static_cast<float>(value * pair[0]);
          drawn[lane + 1] = static_cast<float>(value * pair[1]);
        }
      }
      std::copy_n(drawn.begin(), std::min<std::size_t>(4, values.size() - i),
                  values.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

 private:
  /// The two normal numbers of a pair of uniform ones (Box and Muller 1958).
  static std::array<double, 2> normal_pair(std::uint32_t first, std::uint32_t second) {
    constexpr double turn = 6.283185307179586;
    const double radius = std::sqrt(-2 * std::log((first + 0.5) * 0x1p-32)), angle = turn * second * 0x1p-32;
    return {radius * std::cos(angle), radius * std::sin(angle)};
  }
};

/// A parameter as a module declares it; row-major, in PyTorch's layout: (Out, In) for linear, (O, I, H, W) for conv2d.
struct parameter {
  static constexpr int max_rank = 4;

  std::string_view name;
  std::size_t extents[max_rank] = {};
  int rank = 0;
  initial start;
  bool is_transposed_in_files = false;  ///< a matrix (Out, In) that published files have as (In, Out)
  bool is_of_parent = false;            ///< its path is that of the module around its layer, and its name

  constexpr parameter() = default;
  constexpr parameter(std::string_view n, std::initializer_list<std::size_t> e, initial s) : name(n), start(s) {
    for (std::size_t extent : e) extents[rank++] = extent;
  }
  constexpr parameter transposed_in_files() const {
    parameter made = *this;
    made.is_transposed_in_files = true;
    return made;
  }
  constexpr parameter of_parent() const {
    parameter made = *this;
    made.is_of_parent = true;
    return made;
  }
  constexpr bool has_shape_of(const parameter& other) const {
    bool is_same = rank == other.rank;
    for (int i = 0; is_same && i < rank; ++i) is_same = extents[i] == other.extents[i];
    return is_same;
  }
  constexpr std::size_t elements() const {
    std::size_t product = 1;
    for (int i = 0; i < rank; ++i) product *= extents[i];
    return product;
  }
};

}  // namespace remat
