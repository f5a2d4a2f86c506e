// SPDX-License-Identifier: MIT
/// Attention of sizes that are values: its kernels, called as an executor calls them, and the same in naive sums.
#pragma once

#include <remat/remat.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <vector>

#include "kernel_run.hpp"
#include "naive_sums.hpp"

struct attention_problem {
  std::size_t batch = 1, heads = 1, key_value_heads = 1, width = 8, queries = 3, keys = 3;
  bool causal = false, is_fused = true;
  int mask_bytes = 0;  ///< of an element of the mask; 0 without one
  float dropout = 0;
  double scale = 0;

  std::size_t group() const { return heads / key_value_heads; }

  friend std::ostream& operator<<(std::ostream& out, const attention_problem& p) {
    return out << "batch " << p.batch << ", heads " << p.heads << " and " << p.key_value_heads << " of " << p.width
               << ", " << p.queries << " x " << p.keys << (p.causal ? ", causal" : "") << (p.is_fused ? ", fused" : "")
               << ", mask of " << p.mask_bytes << ", dropout " << p.dropout;
  }
};

/// Where query, key or value element (sample, row, head, column) is: an input, and its element.
struct attention_place {
  std::size_t input, element;
};

class attention_run {
 public:
  std::vector<floats> inputs, gradients;                   ///< one or three
  floats output, output_gradient, largest_scores, shares;  ///< and what is saved
  std::vector<std::int32_t> mask;                          ///< (batch, keys)

  explicit attention_run(const attention_problem& problem)
      : p_(problem), attributes_{p_.heads, p_.key_value_heads, p_.causal, p_.dropout, 1 / (1 - p_.dropout), p_.scale} {
    const std::size_t of_q = p_.heads * p_.width, of_k = p_.key_value_heads * p_.width;
    if (p_.is_fused)
      shapes_ = {shape(p_.queries, of_q + 2 * of_k)};
    else
      shapes_ = {shape(p_.queries, of_q), shape(p_.keys, of_k), shape(p_.keys, of_k)};
    output_shape_ = shape(p_.queries, of_q);
    saved_shapes_.assign(2, shape(p_.heads, p_.queries));
    for (const remat::tensor_shape& s : shapes_) {
      floats& x = inputs.emplace_back(s.elements(p_.batch));
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = number(i, inputs.size()) / 2;
    }
    mask.resize(p_.batch * p_.keys, 1);
    output.resize(output_shape_.elements(p_.batch));
    output_gradient.resize(output.size());
    for (std::size_t i = 0; i < output.size(); ++i) output_gradient[i] = number(i, 9);
    largest_scores.resize(p_.batch * p_.heads * p_.queries);
    shares.resize(largest_scores.size());
  }

  const attention_problem& problem() const { return p_; }
  double scale() const { return p_.scale > 0 ? p_.scale : 1 / std::sqrt(static_cast<double>(p_.width)); }

  attention_place query(std::size_t n, std::size_t t, std::size_t h, std::size_t c) const {
    return {0, (n * p_.queries + t) * row(0) + h * p_.width + c};
  }
  attention_place key(std::size_t n, std::size_t s, std::size_t g, std::size_t c) const {
    return of_key(1, n, s, g, c);
  }
  attention_place value(std::size_t n, std::size_t s, std::size_t g, std::size_t c) const {
    return of_key(2, n, s, g, c);
  }
  bool attends(std::size_t n, std::size_t t, std::size_t s) const {
    return (!p_.causal || s <= t) && (p_.mask_bytes == 0 || mask[n * p_.keys + s] != 0);
  }
  /// What dropout multiplies a probability with.
  double kept(std::size_t n, std::size_t h, std::size_t t, std::size_t s) const {
    if (p_.dropout == 0) return 1;
    const std::size_t row = (n * p_.heads + h) * p_.queries + t;
    const float drawn = remat::random_stream::uniform(random_.block(row * ((p_.keys + 3) / 4) + s / 4)[s % 4]);
    return drawn < p_.dropout ? 0 : static_cast<double>(attributes_.kept_scale);
  }

  void forward(int threads = 1, bool accumulates = false, bool training = true) {
    const remat::thread_scope scope(threads);
    prepare(accumulates, training);
    kernels_.forward(remat::forward_pass(call_, training, random_));
  }
  /// Gradients hold `start` before where they accumulate.
  void backward(int threads = 1, bool accumulates = false, float start = 0) {
    const remat::thread_scope scope(threads);
    gradients.clear();
    for (const floats& x : inputs) gradients.emplace_back(x.size(), accumulates ? start : NAN);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      call_.input_gradients[i] = bytes(gradients[i]);
      call_.accumulates[i] = accumulates;
    }
    call_.output_gradients[0] = bytes(output_gradient);
    std::fill(scratch_.begin(), scratch_.end(), std::nan(""));
    kernels_.backward_input(remat::backward_pass(call_, random_));
  }

  /// All of it in double: the output, and the gradients of the inputs.
  struct reference {
    std::vector<double> output, largest_scores, shares;
    std::vector<std::vector<double>> gradients;
  };
  reference naive() const {
    reference made;
    made.output.resize(output.size());
    made.largest_scores.resize(shares.size());
    made.shares.resize(shares.size());
    for (const floats& x : inputs) made.gradients.emplace_back(x.size());
    for (std::size_t n = 0; n < p_.batch; ++n)
      for (std::size_t h = 0; h < p_.heads; ++h)
        for (std::size_t t = 0; t < p_.queries; ++t) naive_row(n, h, t, made);
    return made;
  }

 private:
  static remat::tensor_shape shape(std::size_t rows, std::size_t columns) {
    return {remat::element::float32, true, 2, {rows, columns}};
  }
  template <class T>
  static std::byte* bytes(std::vector<T>& v) {
    return reinterpret_cast<std::byte*>(v.data());
  }
  std::size_t row(std::size_t input) const { return shapes_[input].extents[1]; }
  attention_place of_key(std::size_t which, std::size_t n, std::size_t s, std::size_t g, std::size_t c) const {
    if (!p_.is_fused) return {which, (n * p_.keys + s) * row(which) + g * p_.width + c};
    const std::size_t begin = (p_.heads + (which - 1) * p_.key_value_heads) * p_.width;
    return {0, (n * p_.keys + s) * row(0) + begin + g * p_.width + c};
  }
  /// From there on, a head's width of an input, and of its gradient.
  const float* input(const attention_place& a) const { return inputs[a.input].data() + a.element; }
  static double* gradient(reference& to, const attention_place& a) { return to.gradients[a.input].data() + a.element; }

  void naive_row(std::size_t n, std::size_t h, std::size_t t, reference& to) const {
    const std::size_t g = h / p_.group(), d = p_.width, place = (n * p_.queries + t) * p_.heads * d + h * d;
    const double scale = this->scale();
    const float *const q = input(query(n, t, h, 0)), *const dy = output_gradient.data() + place;
    std::vector<double> p(p_.keys), dp(p_.keys);
    double largest = -INFINITY, sum = 0, dot = 0;
    for (std::size_t s = 0; s < p_.keys; ++s)
      if (attends(n, t, s)) {
        p[s] = naive::product(q, input(key(n, s, g, 0)), d) * scale;
        largest = std::max(largest, p[s]);
      }
    for (std::size_t s = 0; s < p_.keys; ++s) sum += p[s] = attends(n, t, s) ? std::exp(p[s] - largest) : 0;
    const std::size_t saved = (n * p_.heads + h) * p_.queries + t;
    to.largest_scores[saved] = sum > 0 ? largest / scale : INFINITY;  // before they are scaled
    to.shares[saved] = sum > 0 ? 1 / sum : 0;
    if (sum == 0) return;
    for (std::size_t s = 0; s < p_.keys; ++s) {
      if (!attends(n, t, s)) continue;
      p[s] /= sum;
      const double keeps = kept(n, h, t, s);
      const float* const v = input(value(n, s, g, 0));
      dp[s] = naive::product(dy, v, d) * keeps;
      naive::add(p[s] * keeps, v, d, to.output.data() + place);
      naive::add(p[s] * keeps, dy, d, gradient(to, value(n, s, g, 0)));
      dot += p[s] * dp[s];
    }
    for (std::size_t s = 0; s < p_.keys; ++s) {
      if (!attends(n, t, s)) continue;
      const double ds = p[s] * (dp[s] - dot) * scale;
      naive::add(ds, input(key(n, s, g, 0)), d, gradient(to, query(n, t, h, 0)));
      naive::add(ds, q, d, gradient(to, key(n, s, g, 0)));
    }
  }

  void prepare(bool accumulates, bool training) {
    std::vector<remat::tensor_shape> all = shapes_;
    if (p_.mask_bytes > 0)
      all.push_back({p_.mask_bytes == 1 ? remat::element::uint8 : remat::element::int32, true, 1, {p_.keys}});
    input_shapes_ = all;
    narrow_.assign(mask.begin(), mask.end());
    remat::preparation p;
    p.module_attributes = &attributes_;
    p.inputs = input_shapes_;
    p.outputs = {&output_shape_, 1};
    p.saved = saved_shapes_;
    p.batch = p_.batch;
    p.training = training;
    p.backward_input = training;
    p.accumulates_input = accumulates;
    state_ = kernels_.prepare(p);
    scratch_.assign(state_->scratch_of() / sizeof(double) + 16, std::nan(""));
    call_ = {};
    call_.kind = "attention";
    call_.module_attributes = &attributes_;
    call_.state = state_.get();
    call_.scratch = bytes(scratch_);
    call_.batch = p_.batch;
    call_.input_count = static_cast<int>(input_shapes_.size());
    call_.output_count = 1;
    for (std::size_t i = 0; i < input_shapes_.size(); ++i) {
      call_.input_shapes[i] = &input_shapes_[i];
      call_.inputs[i] = i < inputs.size() ? bytes(inputs[i]) : p_.mask_bytes == 1 ? bytes(narrow_) : bytes(mask);
    }
    call_.output_shapes[0] = &output_shape_;
    call_.outputs[0] = bytes(output);
    for (std::size_t i = 0; i < saved_shapes_.size(); ++i) call_.saved_shapes[i] = &saved_shapes_[i];
    call_.saved[0] = training ? bytes(largest_scores) : nullptr;
    call_.saved[1] = training ? bytes(shares) : nullptr;
  }

  const remat::kernel_table& kernels_ = remat::kernel_table_of<remat::nn::detail::attention_kernels>;
  attention_problem p_;
  remat::nn::detail::attention_attributes attributes_;
  std::vector<remat::tensor_shape> shapes_, input_shapes_, saved_shapes_;
  remat::tensor_shape output_shape_;
  std::vector<std::uint8_t> narrow_;
  remat::random_stream random_{3, 1};
  std::unique_ptr<remat::prepared> state_;
  std::vector<double> scratch_;
  remat::kernel_call call_;
};
