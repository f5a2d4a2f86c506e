// SPDX-License-Identifier: MIT
/// The three products of a convolution as naive sums: of what it computes forward, of its input's gradient, and of its
/// weights'. A transposed convolution has the same ones with the roles of its input and output exchanged.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "../layer_case.hpp"

namespace fuzz {

using remat::nn::extents;

/// A convolution from (H, W, in) to (height, width, out); weights are (out, in / groups, KH, KW).
struct convolution_sums {
  std::size_t batch = 1, in = 1, out = 1, groups = 1;
  extents kernel = 1, stride = 1, padding = 0, dilation = 1;
  std::size_t h = 1, w = 1, height = 1, width = 1;

  double multiplications() const {
    return static_cast<double>(batch * height * width * kernel.area()) * static_cast<double>(in / groups * out);
  }

  /// y from x and w.
  expectation forward(const std::vector<float>& x, const std::vector<float>& weight) const {
    const sums total(batch * height * width * out);
    const turned by_output = turn(weight, true);
    over_taps([&](std::size_t from, std::size_t to, std::size_t tap) {
      for (std::size_t g = 0; g < groups; ++g)
        for (std::size_t i = 0; i < in_group(); ++i)
          total.row(to * out + g * out_group(), x[from * in + g * in_group() + i],
                    &by_output[((tap * groups + g) * in_group() + i) * out_group()], out_group());
      total.count(to * out, out, in_group());
    });
    return total.all();
  }
  /// dx from dy and w.
  expectation backward_input(const std::vector<float>& dy, const std::vector<float>& weight) const {
    const sums total(batch * h * w * in);
    const turned by_input = turn(weight, false);
    over_taps([&](std::size_t from, std::size_t to, std::size_t tap) {
      for (std::size_t g = 0; g < groups; ++g)
        for (std::size_t o = 0; o < out_group(); ++o)
          total.row(from * in + g * in_group(), dy[to * out + g * out_group() + o],
                    &by_input[((tap * groups + g) * out_group() + o) * in_group()], in_group());
      total.count(from * in, in, out_group());
    });
    return total.all();
  }
  /// dw from x and dy.
  expectation backward_weights(const std::vector<float>& x, const std::vector<float>& dy) const {
    const std::size_t window = kernel.area();
    const sums total(window * out * in_group());  // (KH, KW, out, in / groups)
    const turned wide(x.begin(), x.end());
    over_taps([&](std::size_t from, std::size_t to, std::size_t tap) {
      for (std::size_t o = 0; o < out; ++o)
        total.row((tap * out + o) * in_group(), dy[to * out + o], &wide[from * in + o / out_group() * in_group()],
                  in_group());
      total.count(tap * out * in_group(), out * in_group(), 1);
    });
    const expectation found = total.all();
    expectation made(found.size());
    for (std::size_t tap = 0; tap < window; ++tap)
      for (std::size_t k = 0; k < out * in_group(); ++k) made[k * window + tap] = found[tap * out * in_group() + k];
    return made;
  }

 private:
  using turned = std::vector<double>;

  class sums {
   public:
    explicit sums(std::size_t size) : value_(size), magnitude_(size), products_(size) {}

    void row(std::size_t at, float a, const double* b, std::size_t size) const {
      double *const value = value_.data() + at, *const magnitude = magnitude_.data() + at;
      const double factor = static_cast<double>(a);
#pragma omp simd
      for (std::size_t k = 0; k < size; ++k) {
        const double product = factor * b[k];
        value[k] += product;
        magnitude[k] += std::abs(product);
      }
    }
    void count(std::size_t at, std::size_t size, std::size_t more) const {
      for (std::size_t k = 0; k < size; ++k) products_[at + k] += static_cast<double>(more);
    }
    expectation all() const {
      expectation made(value_.size());
      for (std::size_t k = 0; k < made.size(); ++k) made[k] = {value_[k], magnitude_[k], products_[k], 0};
      return made;
    }

   private:
    mutable std::vector<double> value_, magnitude_, products_;
  };

  std::size_t in_group() const { return in / groups; }
  std::size_t out_group() const { return out / groups; }

  /// (KH, KW, groups, in, out) of a group or, not `by_output`, (KH, KW, groups, out, in).
  turned turn(const std::vector<float>& weight, bool by_output) const {
    turned made(weight.size());
    const std::size_t window = kernel.area();
    for (std::size_t o = 0; o < out; ++o)
      for (std::size_t i = 0; i < in_group(); ++i)
        for (std::size_t tap = 0; tap < window; ++tap) {
          const std::size_t g = o / out_group(), within = o % out_group();
          const std::size_t at = by_output ? ((tap * groups + g) * in_group() + i) * out_group() + within
                                           : ((tap * groups + g) * out_group() + within) * in_group() + i;
          made[at] = static_cast<double>(weight[(o * in_group() + i) * window + tap]);
        }
    return made;
  }

  /// f(pixel of x, pixel of y, place in the window).
  template <class F>
  void over_taps(const F& f) const {
    for (std::size_t n = 0; n < batch; ++n)
      for (std::size_t r = 0; r < height; ++r)
        for (std::size_t c = 0; c < width; ++c)
          for (std::size_t i = 0; i < kernel.height; ++i)
            for (std::size_t j = 0; j < kernel.width; ++j) {
              const std::size_t row = r * stride.height + i * dilation.height - padding.height;  // too large before
              const std::size_t column = c * stride.width + j * dilation.width - padding.width;  // the first
              if (row < h && column < w)
                f((n * h + row) * w + column, (n * height + r) * width + c, i * kernel.width + j);
            }
  }
};

/// The bias's gradient: the sums of the columns of dy.
inline expectation sums_of_columns(const std::vector<float>& dy, std::size_t columns) {
  expectation made(columns);
  for (std::size_t i = 0; i < dy.size(); ++i) made[i % columns].add(static_cast<double>(dy[i]));
  return made;
}
/// A row of biases added to every row of y.
inline void add_columns(expectation& y, const std::vector<float>& bias) {
  for (std::size_t i = 0; i < y.size(); ++i) y[i].add(static_cast<double>(bias[i % bias.size()]));
}

namespace detail {

/// How much a reference may compute: usually little, sometimes as much as makes kernels cut their work into chunks.
inline double affordable(random_source& random) { return random.one_in(50) ? 3e7 : random.one_in(10) ? 4e6 : 5e5; }

/// The layer computes this convolution, and adds a bias where it has one.
inline void computes(layer_case& made, const convolution_sums& c, bool has_bias) {
  made.parameters = {c.out * (c.in / c.groups) * c.kernel.area()};
  if (has_bias) made.parameters.push_back(c.out);
  made.forward = [c, has_bias](const values& v) {
    expectation y = c.forward(v.inputs[0], v.parameters[0]);
    if (has_bias) add_columns(y, v.parameters[1]);
    return y;
  };
  made.input_gradient = [c](const values& v) { return c.backward_input(v.output_gradient, v.parameters[0]); };
  made.parameter_gradient = [c](const values& v, std::size_t i) {
    return i == 0 ? c.backward_weights(v.inputs[0], v.output_gradient) : sums_of_columns(v.output_gradient, c.out);
  };
}

}  // namespace detail

}  // namespace fuzz
