// SPDX-License-Identifier: MIT
/// How the kernels of a layer are called: the threads, the halves of backward, what is added to what.
#pragma once

#include <remat/remat.hpp>

#include <cstddef>
#include <string>

#include "layer_case.hpp"
#include "random_source.hpp"

namespace fuzz {

struct calling {
  int threads = 1;
  bool training = true, backward_input = true, backward_parameters = true, together = true;
  bool accumulates_input = false, accumulates_parameters = false, in_place = false;
  remat::activation activation_after = remat::activation::none;
  /// What it computes with, and what it reads and writes.
  remat::element factors = remat::element::float32, y = factors, dy = factors, dx = factors;
  bool widens = false;  ///< kernels for floats run on copies

  calling(const layer_case& layer, random_source& random) {
    threads = static_cast<int>(random.between(1, 3));
    training = !random.one_in(6);
    const bool has_input_gradient = layer.input_gradient != nullptr, has_parameters = !layer.parameters.empty();
    const std::size_t halves = random.between(0, 3);
    backward_input = training && has_input_gradient && (halves != 1 || !has_parameters);
    backward_parameters = training && has_parameters && (halves != 2 || !has_input_gradient);
    together = random.one_in(2);
    accumulates_input = random.one_in(3);
    accumulates_parameters = random.one_in(3);
    in_place = layer.works_in_place && random.one_in(3);
    const remat::activation all[] = {remat::activation::relu, remat::activation::tanh, remat::activation::sigmoid};
    const remat::activation chosen = all[random.between(0, 2)];
    if (random.one_in(2) && layer.fuses.contains(chosen)) activation_after = chosen;
    if (!(layer.takes_bfloat16 || layer.multiplies_bfloat16) || !random.one_in(3)) return;
    widens = layer.multiplies_bfloat16 && (random.one_in(3) || !remat::onednn::has_bfloat16());
    constexpr remat::element rounded = remat::element::bfloat16;
    in_place = false;
    factors = rounded;
    if (!random.one_in(3) && !layer.gives_float32) y = rounded;
    if ((y == rounded || layer.takes_bfloat16) && !random.one_in(4)) dy = rounded;
    if (!accumulates_input && !random.one_in(4)) dx = rounded;
  }

  std::string text() const {
    std::string made = std::to_string(threads) + (threads == 1 ? " thread" : " threads");
    if (!training) made += ", inference";
    if (backward_input) made += accumulates_input ? ", adds dx" : ", writes dx";
    if (backward_parameters) made += accumulates_parameters ? ", adds dw" : ", writes dw";
    if (backward_input && backward_parameters && together) made += ", at once";
    if (in_place) made += ", in place";
    if (activation_after != remat::activation::none) made += ", then " + std::string(name_of(activation_after));
    if (factors != remat::element::float32)
      made += ", factors of " + std::string(name_of(factors)) + ", y " + std::string(name_of(y)) + ", dy " +
              std::string(name_of(dy)) + ", dx " + std::string(name_of(dx));
    if (widens) made += ", widened";
    return made;
  }
};

}  // namespace fuzz
