// SPDX-License-Identifier: MIT
/// One step in time of sound in two dimensions, p_tt = c^2 (p_xx + p_yy), as a module: explicit, second order, with
/// p = 0 around the domain.
///
///     next = 2 p - before + (c dt / dx)^2 (sum of the four neighbours - 4 p)
///
/// | tensor  | is                                                                                        |
/// |---------|-------------------------------------------------------------------------------------------|
/// | fields  | p now and one step before, (2, H, W)                                                      |
/// | misfit  | half the sum over receivers and steps of (p - recorded)^2 in two floats; the step's number |
/// | medium  | dt / dx times the velocity c, (H, W)                                                      |
///
/// The backward pass of a step has two halves: the adjoint of the fields, and the gradient with respect to the medium.
/// The recording is an array of the program's own and has no gradient, so it is not a tensor of the model.
#pragma once

#include <remat/remat.hpp>

#include <cstddef>
#include <string_view>
#include <vector>

namespace acoustic_wave {

/// Where sound is recorded, and what was, step after step.
struct survey {
  std::vector<std::size_t> receivers;  ///< cells, row after row, none of them at the border
  std::vector<float> recorded;         ///< (steps, receivers)
};
inline survey measured;  // before a model runs

struct step_attributes {
  std::size_t height, width;
  const survey* data;
};

/// The cells of a grid.
struct grid {
  std::size_t height, width;

  std::size_t size() const { return height * width; }
  bool is_inside(std::size_t i) const {
    const std::size_t row = i / width, column = i % width;
    return row > 0 && row + 1 < height && column > 0 && column + 1 < width;
  }
  /// Of a cell inside.
  float laplacian(const float* p, std::size_t i) const {
    return p[i - width] + p[i + width] + p[i - 1] + p[i + 1] - 4 * p[i];
  }
  float next(const float* p, const float* before, const float* medium, std::size_t i) const {
    return 2 * p[i] - before[i] + medium[i] * medium[i] * laplacian(p, i);
  }
};

struct step_kernels {
  static void forward(const remat::forward_pass& pass) {
    const auto& [height, width, data] = pass.attributes<step_attributes>();
    const grid g{height, width};
    for (std::size_t n = 0; n < pass.batch(); ++n) {
      const float *const p = pass.input(0).data() + 2 * g.size() * n, *const before = p + g.size();
      const float* const medium = pass.input(2).data() + g.size() * n;
      float *const next = pass.output(0).data() + 2 * g.size() * n, *const now = next + g.size();
      for (std::size_t i = 0; i < g.size(); ++i) {
        next[i] = g.is_inside(i) ? g.next(p, before, medium, i) : 0;
        now[i] = p[i];
      }
      const float* const sum = pass.input(1).data() + 3 * n;
      float* const more = pass.output(1).data() + 3 * n;
      double misfit = static_cast<double>(sum[0]) + static_cast<double>(sum[1]);
      const float* const recorded = recorded_at(*data, sum[2]);
      for (std::size_t r = 0; r < data->receivers.size(); ++r) {
        const double difference = static_cast<double>(next[data->receivers[r]] - recorded[r]);
        misfit += difference * difference / 2;
      }
      more[0] = static_cast<float>(misfit);
      more[1] = static_cast<float>(misfit - static_cast<double>(more[0]));
      more[2] = sum[2] + 1;
    }
  }

  static void backward_input(const remat::backward_pass& pass) {
    const auto& [height, width, data] = pass.attributes<step_attributes>();
    const grid g{height, width};
    if (pass.wants_input_gradient(0)) adjoint_fields(pass, g);
    if (pass.wants_input_gradient(2)) medium_gradient(pass, g);
    for (std::size_t n = 0; n < pass.batch(); ++n) add_differences(pass, g, *data, n);
    const auto weight = pass.output_gradient(1);
    if (pass.wants_input_gradient(1)) pass.input_gradient(1).assign([=](std::size_t i) { return weight[i]; });
  }

 private:
  static const float* recorded_at(const survey& data, float step) {
    return data.recorded.data() + static_cast<std::size_t>(step) * data.receivers.size();
  }
  /// The gradient of the fields after the step, or null after the last one.
  static const float* after_step(const remat::backward_pass& pass) {
    return pass.has_output_gradient(0) ? pass.output_gradient(0).data() : nullptr;
  }

  static void adjoint_fields(const remat::backward_pass& pass, const grid& g) {
    const float *const medium = pass.input(2).data(), *const gradients = after_step(pass);
    pass.input_gradient(0).assign([=](std::size_t i) -> float {
      if (gradients == nullptr) return 0;
      const std::size_t sample = i / (2 * g.size()), cell = i % g.size();
      const float *const c = medium + sample * g.size(), *const next = gradients + 2 * g.size() * sample,
                         *const now = next + g.size();
      if (i / g.size() % 2 == 1) return g.is_inside(cell) ? -next[cell] : 0;  // of the fields before
      const auto spread = [&](std::size_t k) { return g.is_inside(k) ? c[k] * c[k] * next[k] : 0; };
      const std::size_t row = cell / g.width, column = cell % g.width;
      float sum = now[cell];
      if (g.is_inside(cell)) sum += 2 * next[cell] - 4 * spread(cell);
      if (row > 0) sum += spread(cell - g.width);
      if (row + 1 < g.height) sum += spread(cell + g.width);
      if (column > 0) sum += spread(cell - 1);
      if (column + 1 < g.width) sum += spread(cell + 1);
      return sum;
    });
  }

  static void medium_gradient(const remat::backward_pass& pass, const grid& g) {
    const float *const fields = pass.input(0).data(), *const medium = pass.input(2).data(),
                       *const gradients = after_step(pass);
    pass.input_gradient(2).assign([=](std::size_t i) -> float {
      const std::size_t sample = i / g.size(), cell = i % g.size();
      if (gradients == nullptr || !g.is_inside(cell)) return 0;
      return 2 * medium[i] * g.laplacian(fields + 2 * g.size() * sample, cell) *
             gradients[2 * g.size() * sample + cell];
    });
  }

  /// The misfit adds to the gradient of the pressure at the receivers after the step.
  static void add_differences(const remat::backward_pass& pass, const grid& g, const survey& data, std::size_t n) {
    const float *const p = pass.input(0).data() + 2 * g.size() * n, *const before = p + g.size();
    const float* const medium = pass.input(2).data() + g.size() * n;
    float* const of_p = pass.wants_input_gradient(0) ? pass.input_gradient(0).data() + 2 * g.size() * n : nullptr;
    float* const of_medium = pass.wants_input_gradient(2) ? pass.input_gradient(2).data() + g.size() * n : nullptr;
    const float weight = pass.output_gradient(1)[3 * n];
    const float* const recorded = recorded_at(data, pass.input(1)[3 * n + 2]);
    for (std::size_t r = 0; r < data.receivers.size(); ++r) {
      const std::size_t i = data.receivers[r];
      const float more = weight * (g.next(p, before, medium, i) - recorded[r]), spread = medium[i] * medium[i] * more;
      if (of_p != nullptr) {
        of_p[i] += 2 * more - 4 * spread;
        for (const std::size_t neighbour : {i - g.width, i + g.width, i - 1, i + 1}) of_p[neighbour] += spread;
        of_p[g.size() + i] -= more;  // of the fields before
      }
      if (of_medium != nullptr) of_medium[i] += 2 * medium[i] * g.laplacian(p, i) * more;
    }
  }
};

template <std::size_t H, std::size_t W>
struct step : remat::module {
  using fields = remat::tensor<float, 2, H, W>;
  using misfit = remat::tensor<float, 3>;
  using medium = remat::tensor<float, H, W>;

  static constexpr std::string_view kind = "acoustic_wave_step";
  static remat::tensors<fields, misfit> output(fields, misfit, medium);
  static constexpr auto backward_input_reads = remat::reads::inputs;
  static constexpr step_attributes attributes{H, W, &measured};
  static double flops(remat::tensor_shapes, remat::tensor_shapes) { return 10.0 * H * W; }
  using kernels = step_kernels;
};

/// All steps: from fields, misfit and medium to the misfit. A tag remembers the medium, which joins each step, so that
/// there is one copy of it, and one gradient, to which all steps add.
template <std::size_t Steps, std::size_t H, std::size_t W>
using simulation =
    remat::sequential<remat::tag<"inputs">, remat::pick<2>, remat::tag<"medium">,
                      remat::join<"inputs", remat::pick<1, 2>>,
                      remat::named<"steps", remat::repeat<Steps, remat::join<"medium", step<H, W>>>>, remat::pick<1>>;
template <std::size_t Steps, std::size_t H, std::size_t W>
using model =
    remat::model<simulation<Steps, H, W>,
                 remat::tensors<typename step<H, W>::fields, typename step<H, W>::misfit, typename step<H, W>::medium>>;

/// The pressure at the receivers after each of some steps from an initial pressure, in a plain loop: what an experiment
/// measures.
inline std::vector<float> record(const grid& g, const std::vector<float>& pressure, const std::vector<float>& medium,
                                 const std::vector<std::size_t>& receivers, std::size_t steps) {
  std::vector<float> now = pressure, before = pressure, next(g.size()), recorded;
  for (std::size_t t = 0; t < steps; ++t) {
    for (std::size_t i = 0; i < g.size(); ++i)
      next[i] = g.is_inside(i) ? g.next(now.data(), before.data(), medium.data(), i) : 0;
    before.swap(now);
    now.swap(next);
    for (const std::size_t each : receivers) recorded.push_back(now[each]);
  }
  return recorded;
}

/// Cells of a ring, a few from the border.
inline std::vector<std::size_t> ring(const grid& g, std::size_t distance, std::size_t spacing) {
  std::vector<std::size_t> cells;
  for (std::size_t column = distance; column + distance < g.width; column += spacing)
    for (const std::size_t row : {distance, g.height - 1 - distance}) cells.push_back(row * g.width + column);
  for (std::size_t row = distance + spacing; row + distance + spacing < g.height; row += spacing)
    for (const std::size_t column : {distance, g.width - 1 - distance}) cells.push_back(row * g.width + column);
  return cells;
}

}  // namespace acoustic_wave
