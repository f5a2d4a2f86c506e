// SPDX-License-Identifier: MIT
/// Images of another size: every output is a weighted sum of inputs in a rectangle, the same in each channel. Pooling
/// by averages and upsampling are such sums; a module says which inputs an output reads along one axis, its `axis`.
///
///     forward    y[h, w] = sum over i, j of a[h, i] b[w, j] x[i, j]        (N, H, W, C)
///     backward   the same with both axes transposed; reads nothing
///
/// An output is computed by one thread in one order, and products and sums are rounded one by one: the same bits under
/// any instruction set, flags (vectorised.hpp) and thread count. A gradient is written or added without a temporary. Of
/// bfloat16 the sums are of floats, and rounded once.
#pragma once

#include <remat/core/module.hpp>
#include <remat/core/parallel.hpp>
#include <remat/nn/channel_loops.hpp>
#include <remat/nn/extents.hpp>
#include <remat/nn/floats.hpp>
#include <remat/nn/vectorised.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace remat::nn::detail {

/// The inputs that one output reads along an axis: `count` neighbours, whose weights are given.
struct taps {
  std::size_t first, count;
  const float* weights;
};

/// `width` outputs in a row; an input row has `columns` pixels.
template <class X, class Y>
struct resampled_row {
  const X* x;  ///< the sample
  Y* y;
  std::size_t channels, columns, width;
  taps rows;
  const taps* across;  ///< of every output
  bool adds;           ///< to floats
};

REMAT_BEGIN_VECTOR_CODE

/// y (channels) becomes sum(k) for each k, or grows by it.
template <class Y, class Sum>
[[gnu::always_inline]] inline void write_sums(std::size_t channels, bool adds, Y* y, const Sum& sum) {
  if constexpr (std::is_same_v<Y, float>)
    if (adds) return for_columns(channels, [=](std::size_t k) { y[k] += sum(k); });
  for_columns(channels, [=](std::size_t k) { put(sum(k), y[k]); });
}

/// One output from N x N inputs, in one loop.
template <std::size_t N, class X, class Y>
[[gnu::always_inline]] inline void resample_square(const resampled_row<X, Y>& r, const taps& across, Y* y) {
  const X* x[N * N];
  float weights[N * N];
  for (std::size_t i = 0; i < N; ++i)
    for (std::size_t j = 0; j < N; ++j) {
      x[i * N + j] = r.x + ((r.rows.first + i) * r.columns + across.first + j) * r.channels;
      weights[i * N + j] = r.rows.weights[i] * across.weights[j];
    }
  write_sums(r.channels, r.adds, y, [&](std::size_t k) {
    float total = weights[0] * float_of(x[0][k]);
    for (std::size_t i = 1; i < N * N; ++i) total += weights[i] * float_of(x[i][k]);
    return total;
  });
}

/// One output from any rectangle: row by row, whose sums are then added.
template <class X, class Y>
[[gnu::always_inline]] inline void resample_rectangle(const resampled_row<X, Y>& r, const taps& across, Y* to) {
  constexpr std::size_t most = 256;
  float sums[most], rows[most];
  float *const sum = sums, *const row = rows;
  const bool reads = across.count > 0 && r.rows.count > 0;
  for (std::size_t c = 0; c < r.channels; c += most) {
    const std::size_t size = r.channels - c < most ? r.channels - c : most;
    if (!reads) {
      if (!r.adds) write_sums(size, false, to + c, [](std::size_t) { return 0.0f; });
      continue;
    }
    for (std::size_t i = 0; i < r.rows.count; ++i) {
      const X* const x = r.x + ((r.rows.first + i) * r.columns + across.first) * r.channels + c;
      const float a = r.rows.weights[i];
      for_columns(size, [=, b = across.weights[0]](std::size_t k) { row[k] = b * float_of(x[k]); });
      for (std::size_t j = 1; j < across.count; ++j)
        for_columns(size, [=, also = x + j * r.channels, b = across.weights[j]](std::size_t k) {
          row[k] += b * float_of(also[k]);
        });
      if (i == 0)
        for_columns(size, [=](std::size_t k) { sum[k] = a * row[k]; });
      else
        for_columns(size, [=](std::size_t k) { sum[k] += a * row[k]; });
    }
    write_sums(size, r.adds, to + c, [=](std::size_t k) { return sum[k]; });
  }
}

template <class X, class Y>
[[gnu::always_inline]] inline void resample_row_in(const resampled_row<X, Y>& r) {
  for (std::size_t w = 0; w < r.width; ++w) {
    const taps across = r.across[w];
    Y* const y = r.y + w * r.channels;
    const std::size_t side = across.count == r.rows.count ? across.count : 0;
    if (side == 1)
      resample_square<1>(r, across, y);
    else if (side == 2)
      resample_square<2>(r, across, y);
    else if (side == 3)
      resample_square<3>(r, across, y);
    else
      resample_rectangle(r, across, y);
  }
}
// Clones have names of their own: clang 19 fails on those of overloaded functions.
#define REMAT_RESAMPLED_AS(name, X, Y)                                                                      \
  REMAT_VECTORISED inline void resample_row_of_##name(const resampled_row<X, Y>& r) { resample_row_in(r); } \
  inline void resample_row(const resampled_row<X, Y>& r) { resample_row_of_##name(r); }
REMAT_RESAMPLED_AS(floats, float, float)
REMAT_RESAMPLED_AS(rounded_floats, float, bfloat16)
REMAT_RESAMPLED_AS(widened, bfloat16, float)
REMAT_RESAMPLED_AS(bfloat16s, bfloat16, bfloat16)
#undef REMAT_RESAMPLED_AS

REMAT_END_VECTOR_CODE

/// What every output along an axis reads.
class axis {
 public:
  explicit axis(std::size_t inputs) : inputs_(inputs) {}

  /// The next output reads inputs from `first` on.
  void add(std::size_t first, std::vector<float> weights) {
    first_.push_back(first);
    weights_.push_back(std::move(weights));
  }
  /// The next output reads inputs [first, last), each with the same weight.
  void add(std::size_t first, std::size_t last, float weight) { add(first, std::vector<float>(last - first, weight)); }

  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return first_.size(); }
  std::vector<taps> all() const {
    std::vector<taps> made;
    for (std::size_t i = 0; i < outputs(); ++i) made.push_back({first_[i], weights_[i].size(), weights_[i].data()});
    return made;
  }
  /// What every input is read by. (The outputs that read one follow each other.)
  axis transposed() const {
    axis made(outputs());
    made.first_.resize(inputs_);
    made.weights_.resize(inputs_);
    for (std::size_t o = 0; o < outputs(); ++o)
      for (std::size_t k = 0; k < weights_[o].size(); ++k) {
        const std::size_t i = first_[o] + k;
        if (made.weights_[i].empty()) made.first_[i] = o;
        made.weights_[i].push_back(weights_[o][k]);
      }
    return made;
  }

 private:
  std::size_t inputs_;
  std::vector<std::size_t> first_;
  std::vector<std::vector<float>> weights_;
};

/// What a rule makes of them, along one axis.
struct axis_numbers {
  std::size_t size, stride, padding;
};

struct resampling_attributes {
  axis (*rule)(const axis_numbers&, std::size_t inputs, std::size_t outputs);
  extents size = {}, stride = {}, padding = {};
};

struct resampling {
  axis rows, columns;
  std::vector<taps> row_taps = rows.all(), column_taps = columns.all();

  void run(const const_numbers& x, const numbers& y, std::size_t batch, std::size_t channels) const {
    const std::size_t height = rows.outputs(), width = columns.outputs();
    const std::size_t x_size = rows.inputs() * columns.inputs() * channels, y_size = width * channels;
    const std::size_t work = std::max(x_size / height, y_size);
    with_types(x, y, [&]<class X, class Y>(const X* from, Y* to) {
      parallel_for(batch * height, grain_of_rows(work), [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i)
          resample_row(resampled_row<X, Y>{from + i / height * x_size, to + i * y_size, channels, columns.inputs(),
                                           width, row_taps[i % height], column_taps.data(), y.accumulates});
      });
    });
  }
};

struct prepared_resampling : prepared {
  resampling forward, backward;

  explicit prepared_resampling(const preparation& p)
      : forward{rows(p), columns(p)}, backward{forward.rows.transposed(), forward.columns.transposed()} {}

 private:
  static axis rows(const preparation& p) {
    const auto& a = p.attributes<resampling_attributes>();
    return a.rule({a.size.height, a.stride.height, a.padding.height}, p.inputs[0].height(), p.outputs[0].height());
  }
  static axis columns(const preparation& p) {
    const auto& a = p.attributes<resampling_attributes>();
    return a.rule({a.size.width, a.stride.width, a.padding.width}, p.inputs[0].width(), p.outputs[0].width());
  }
};

struct resampling_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_resampling>(p); }

  static void forward(const forward_pass& pass) {
    pass.prepared_as<prepared_resampling>().forward.run(pass.input_numbers(), pass.output_numbers(), pass.batch(),
                                                        pass.input_shape().channels());
  }
  static void backward_input(const backward_pass& pass) {
    pass.prepared_as<prepared_resampling>().backward.run(pass.output_gradient_numbers(), pass.input_gradient_numbers(),
                                                         pass.batch(), pass.input_shape().channels());
  }
};

/// What modules say of themselves whose kernels these are.
struct resamples : module {
  static constexpr traits is{.takes_bfloat16 = true, .gives_bfloat16 = true};
};

}  // namespace remat::nn::detail

REMAT_COMPILED_KERNELS(detail::resampling_kernels)
