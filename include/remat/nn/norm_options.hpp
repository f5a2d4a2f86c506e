// SPDX-License-Identifier: MIT
/// Options of the layers that normalise rows, as a value:
///
///     nn::rms_norm<2048, nn::norm_options{.epsilon = 1e-6}>
#pragma once

#include <remat/core/language.hpp>

namespace remat::nn {

struct norm_options {
  double epsilon = 1e-5;  ///< is added to the mean of the squares, as PyTorch's `eps`
};

namespace detail {

template <norm_options Options>
struct norm_epsilon {
  static constexpr bool holds = true;
  static_assert(Options.epsilon >= 0 && Options.epsilon < 1,
                "remat: a norm's epsilon is at least 0 and below 1; give it a small one, as 1e-5");
};

}  // namespace detail
}  // namespace remat::nn
