// SPDX-License-Identifier: MIT
/// The kernels of a layer that normalises rows: how rows go through memory, and how their parameters' gradients are
/// summed. What is done to a row is said by `Rows`: its numbers of parameters and of saved numbers a row, and
///
///     forward(x, parameters, y, saved, epsilon, size, rows)   y may be x; each of `saved` may be null
///     backward(gradients, parameters, saved, sums, size, rows)   adds to `sums`, (size) each, which may be null
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/floats.hpp>
#include <remat/nn/normalised_rows.hpp>
#include <remat/nn/row_rooms.hpp>
#include <remat/nn/rows.hpp>
#include <remat/nn/sum_rows.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>

namespace remat::nn::detail {

struct row_norm_attributes {
  std::size_t width;
  double epsilon;
};

/// The tensors of a backward pass over some rows; `dx` may be null.
struct row_norm_gradients {
  const float *x, *dy;
  float* dx;
  bool adds;
};

template <class Rows>
struct prepared_row_norm : prepared {
  row_blocks blocks;
  row_rooms rooms;

  explicit prepared_row_norm(const preparation& p) {
    const std::size_t width = p.attributes<row_norm_attributes>().width;
    blocks = row_blocks(p.inputs[0].elements(p.batch) / width);
    if (p.backward_parameters) scratch_bytes = blocks.count * Rows::parameters * width * sizeof(float);
    rooms = row_rooms(*this, p, width, scratch_bytes);
  }
};

template <class Rows>
struct row_norm_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) {
    return std::make_unique<prepared_row_norm<Rows>>(p);
  }

  static void forward(const forward_pass& pass) {
    const auto [width, epsilon] = pass.attributes<row_norm_attributes>();
    const auto parameters = parameters_of(pass);
    std::array<float*, Rows::saved> saved;
    for (std::size_t i = 0; i < saved.size(); ++i) saved[i] = pass.saved(static_cast<int>(i)).data();
    pass.prepared_as<prepared_row_norm<Rows>>().rooms.in_rows(
        std::array{pass.input_numbers()}, pass.output_numbers(), pass.scratch(),
        [=, size = width, e = epsilon](const auto& x, float* y, std::size_t first, std::size_t count) {
          Rows::forward(x[0], parameters, y, from_row(saved, first / size), e, size, count / size);
        });
  }
  static void backward_input(const backward_pass& pass) { run(pass, true, false); }
  static void backward_parameters(const backward_pass& pass) { run(pass, false, true); }
  static void backward(const backward_pass& pass) { run(pass, true, true); }

 private:
  static std::array<const float*, Rows::parameters> parameters_of(const kernel_pass& pass) {
    std::array<const float*, Rows::parameters> all;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = pass.parameter(static_cast<int>(i)).data();
    return all;
  }
  template <class T, std::size_t N>
  static std::array<T*, N> from_row(std::array<T*, N> saved, std::size_t row) {
    for (T*& each : saved)
      if (each != nullptr) each += row;
    return saved;
  }

  static void run(const backward_pass& pass, bool input, bool parameters) {
    const std::size_t width = pass.attributes<row_norm_attributes>().width;
    const auto& state = pass.prepared_as<prepared_row_norm<Rows>>();
    const row_blocks& blocks = state.blocks;
    const auto values = parameters_of(pass);
    std::array<const float*, Rows::saved> saved;
    for (std::size_t i = 0; i < saved.size(); ++i) saved[i] = pass.saved(static_cast<int>(i)).data();
    const numbers dx = input ? pass.input_gradient_numbers() : numbers{};
    const std::array read{pass.input_numbers(), pass.output_gradient_numbers()};
    float* const sums = parameters ? reinterpret_cast<float*>(pass.scratch()) : nullptr;  // (parameters, blocks, width)
    blocks.for_each([=, &state, &pass](std::size_t block, std::size_t first, std::size_t last) {
      std::array<float*, Rows::parameters> parts{};
      for (std::size_t k = 0; parameters && k < parts.size(); ++k) {
        parts[k] = sums + (k * state.blocks.count + block) * width;
        std::fill_n(parts[k], width, 0.0f);
      }
      in_parts_of(
          read, dx, first * width, last * width, width,
          [=](const auto& from, float* to, std::size_t at, std::size_t count) {
            Rows::backward({from[0], from[1], to, dx.accumulates}, values, from_row(saved, at / width), parts, width,
                           count / width);
          },
          state.rooms.of(pass.scratch(), block));
    });
    for (std::size_t k = 0; parameters && k < Rows::parameters; ++k)
      sum_rows(sums + k * blocks.count * width, blocks.count, width, pass.parameter_gradient(static_cast<int>(k)));
  }
};

}  // namespace remat::nn::detail
