// SPDX-License-Identifier: MIT
/// Attention of random sizes, in one tensor or in three, with a mask or without one.
///
/// The bound of what depends on all probabilities of a row is the first-order effect of the errors of its scores.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

#include "../layer_case.hpp"

namespace fuzz {

namespace detail {

/// A row of probabilities, their gradients and how wrong both may be.
class attention_rows {
 public:
  attention_rows(const remat::nn::detail::attention_extents& extents) : e(extents) {}

  /// Of every head: f(place of the row's first element in the output, sample, query, head).
  template <class F>
  void for_each(const F& f) const {
    for (std::size_t n = 0; n < e.batch; ++n)
      for (std::size_t t = 0; t < e.queries; ++t)
        for (std::size_t h = 0; h < e.heads; ++h) f(((n * e.queries + t) * e.heads + h) * e.width, n, t, h);
  }
  std::size_t query(std::size_t n, std::size_t t, std::size_t h) const {
    return (n * e.queries + t) * step(0) + h * e.width;
  }
  std::size_t key(std::size_t n, std::size_t s, std::size_t h) const { return of_key(1, n, s, h); }
  std::size_t value(std::size_t n, std::size_t s, std::size_t h) const { return of_key(2, n, s, h); }
  const std::vector<float>& tensor(const values& v, std::size_t which) const {
    return v.inputs[e.is_fused ? 0 : which];
  }

  struct row {
    std::vector<double> p;  // and the relative error of all of them:
    double relative = 0;
  };
  row probabilities(const values& v, std::size_t n, std::size_t t, std::size_t h) const {
    row made{std::vector<double>(e.keys), 0};
    double largest = -std::numeric_limits<double>::infinity(), sum = 0, error = 0;
    for (std::size_t s = 0; s < e.keys; ++s) {
      if (!attends(v, n, t, s)) continue;
      expected score;
      for (std::size_t c = 0; c < e.width; ++c)
        score.add(at(v, 0, query(n, t, h) + c) * static_cast<double>(e.scale), at(v, 1, key(n, s, h) + c));
      made.p[s] = score.value;
      largest = std::max(largest, score.value);
      error = std::max(error, score.bound() + 2 * unit_roundoff * std::abs(score.value) + v.roundoff * score.magnitude);
    }
    for (std::size_t s = 0; s < e.keys; ++s) sum += made.p[s] = attends(v, n, t, s) ? std::exp(made.p[s] - largest) : 0;
    for (double& p : made.p) p = sum > 0 ? p / sum : 0;
    made.relative = 3 * error + (static_cast<double>(e.keys) + 32) * unit_roundoff + v.roundoff;
    return made;
  }

  void output(const values& v, expectation& y) const {
    for_each([&](std::size_t place, std::size_t n, std::size_t t, std::size_t h) {
      const row r = probabilities(v, n, t, h);
      for (std::size_t s = 0; s < e.keys; ++s)
        for (std::size_t c = 0; c < e.width && r.p[s] > 0; ++c)
          add(y[place + c], r.p[s], at(v, 2, value(n, s, h) + c), r.relative);
    });
  }
  /// Of the first input.
  void gradient(const values& v, expectation& dx) const {
    for_each([&](std::size_t place, std::size_t n, std::size_t t, std::size_t h) {
      const row r = probabilities(v, n, t, h);
      std::vector<expected> dp(e.keys);
      expected dot;
      for (std::size_t s = 0; s < e.keys; ++s) {
        if (r.p[s] == 0) continue;
        for (std::size_t c = 0; c < e.width; ++c) {
          const double dy = static_cast<double>(v.output_gradient[place + c]);
          dp[s].add(dy, at(v, 2, value(n, s, h) + c));
          if (e.is_fused) add(dx[value(n, s, h) + c], r.p[s], dy, r.relative);
        }
        add(dot, r.p[s], dp[s].value, r.relative);
        dot.more += r.p[s] * dp[s].magnitude * (2 * r.relative + v.roundoff);  // of the output, as it was given
      }
      for (std::size_t s = 0; s < e.keys; ++s) {
        const double ds = r.p[s] * (dp[s].value - dot.value);
        const double error = r.p[s] * (dp[s].bound() + dot.bound() + 8 * unit_roundoff * std::abs(dot.value)) +
                             std::abs(ds) * (r.relative + v.roundoff);
        for (std::size_t c = 0; c < e.width && r.p[s] > 0; ++c) {
          const double scale = static_cast<double>(e.scale), k = at(v, 1, key(n, s, h) + c) * scale;
          const double q = at(v, 0, query(n, t, h) + c) * scale;
          dx[query(n, t, h) + c].add(ds, k);
          dx[query(n, t, h) + c].more += error * std::abs(k);
          if (!e.is_fused) continue;
          dx[key(n, s, h) + c].add(ds, q);
          dx[key(n, s, h) + c].more += error * std::abs(q);
        }
      }
    });
  }

 private:
  static void add(expected& sum, double p, double x, double relative) {
    sum.add(p, x);
    sum.more += std::abs(p * x) * relative;
  }
  std::size_t step(std::size_t which) const {
    const std::size_t q = e.heads * e.width, k = e.key_value_heads * e.width;
    return e.is_fused ? q + 2 * k : which == 0 ? q : k;
  }
  std::size_t of_key(std::size_t which, std::size_t n, std::size_t s, std::size_t h) const {
    const std::size_t begin = e.is_fused ? (e.heads + (which - 1) * e.key_value_heads) * e.width : 0;
    return (n * e.keys + s) * step(which) + begin + h / e.group() * e.width;
  }
  bool attends(const values& v, std::size_t n, std::size_t t, std::size_t s) const {
    return (!e.causal || s <= t) && (!e.has_mask || v.integers.back()[n * e.keys + s] != 0);
  }
  double at(const values& v, std::size_t which, std::size_t i) const {
    return static_cast<double>(tensor(v, which)[i]);
  }

  remat::nn::detail::attention_extents e;
};

}  // namespace detail

inline layer_case attention(random_source& random) {
  const std::size_t groups = random.between(1, 3), heads = groups * random.between(1, 3);
  const std::size_t width = random.one_in(4) ? random.between(1, 140) : random.one_of({1, 2, 8, 16, 24, 40, 64});
  const bool is_fused = random.one_in(2), causal = random.one_in(2), has_mask = random.one_in(3);
  std::size_t queries = 0, keys = 0, batch = 0;
  do {
    queries = random.one_in(3) ? random.between(1, 700) : random.extent(70);
    keys = is_fused || causal ? queries : random.one_in(3) ? random.between(1, 700) : random.extent(70);
    batch = random.between(1, 4);
  } while (batch * heads * queries * keys * width > 3'000'000);
  layer_case made;
  made.layer = "attention";
  made.sizes = listed({{"heads", heads},
                       {"groups", groups},
                       {"width", width},
                       {"queries", queries},
                       {"keys", keys},
                       {"fused", is_fused},
                       {"causal", causal},
                       {"mask", has_mask}});
  made.batch = batch;
  made.inputs = {floats(queries, (heads + (is_fused ? 2 * groups : 0)) * width)};
  if (!is_fused) made.inputs.insert(made.inputs.end(), 2, floats(keys, groups * width));
  if (has_mask) made.inputs.push_back(integers(keys));
  made.integers_below = 3;
  made.output = floats(queries, heads * width);
  made.saved.assign(2, floats(heads, queries));
  made.multiplies_bfloat16 = true;
  made.input_scale = static_cast<float>(random.one_of({1, 1, 3}));
  const remat::nn::detail::attention_attributes attributes{heads, groups, causal, 0, 1, 0};
  made.attributes = std::make_shared<remat::nn::detail::attention_attributes>(attributes);
  made.kernels = &remat::kernel_table_of<remat::nn::detail::attention_kernels>;
  const detail::attention_rows rows({attributes, made.inputs, made.output, batch});
  made.forward = [=, size = made.output.elements(batch)](const values& v) {
    expectation y(size);
    rows.output(v, y);
    return y;
  };
  made.input_gradient = [=, size = made.inputs[0].elements(batch)](const values& v) {
    expectation dx(size);
    rows.gradient(v, dx);
    return dx;
  };
  return made;
}

}  // namespace fuzz
