// SPDX-License-Identifier: MIT
/// What a kernel wrote, compared with what was expected.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <span>
#include <stdexcept>
#include <vector>

#include "layer_case.hpp"

namespace fuzz {

/// What differed, as a sentence.
struct difference : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What is expected of a gradient that is added to `before`. One of 0 leaves it as it was.
inline void add_before(expectation& all, const std::vector<float>& before) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool is_zero = all[i].value == 0 && all[i].bound() == 0;
    all[i].add(static_cast<double>(before[i]));
    if (is_zero) all[i].magnitude = 0;
  }
}

/// What is expected of an activation: what the error before becomes, and eight roundings of its own; in an exponential
/// also one of its argument.
inline void activate(remat::activation which, expected& e) {
  const auto becomes = [&](double value, double slope) {
    e = {value, 0, 0, e.bound() * slope + 8 * unit_roundoff * std::abs(value)};
  };
  switch (which) {
    case remat::activation::relu:
      return becomes(std::max(e.value, 0.0), 1);
    case remat::activation::tanh:
      return becomes(std::tanh(e.value), 1);
    case remat::activation::sigmoid:
      e.more += unit_roundoff * std::abs(e.value);
      return becomes(1 / (1 + std::exp(-e.value)), 0.25);
    case remat::activation::none:
      return;
  }
}

/// What is expected of a number that is rounded to bfloat16.
inline void round_once(expected& e) {
  e = {e.value, 0, 0, e.bound() + bfloat16_roundoff * (std::abs(e.value) + e.bound())};
}

/// The largest ratio of an error to its bound; throws a `difference` where one is above 1.
inline double compare(const char* name, std::span<const float> found, const expectation& wanted) {
  if (found.size() != wanted.size()) throw std::logic_error("a reference has another size than its tensor");
  std::size_t differing = 0, worst = 0;
  double largest = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double value = static_cast<double>(found[i]), bound = wanted[i].bound();
    const double error = value == wanted[i].value ? 0 : std::abs(value - wanted[i].value);  // infinities are equal, too
    if (!(error <= bound)) ++differing;  // also where it is not a number
    double ratio = error == 0 ? 0 : error / bound;
    if (std::isnan(ratio)) ratio = std::numeric_limits<double>::infinity();
    if (ratio <= largest) continue;
    largest = ratio;
    worst = i;
  }
  if (differing == 0) return largest;
  char text[256];
  std::snprintf(text, sizeof(text), "%zu of %zu elements of %s differ, most of all element %zu: %g for %g +- %g",
                differing, found.size(), name, worst, static_cast<double>(found[worst]), wanted[worst].value,
                wanted[worst].bound());
  throw difference(text);
}

}  // namespace fuzz
