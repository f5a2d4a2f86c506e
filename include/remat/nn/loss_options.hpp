// SPDX-License-Identifier: MIT
/// Options of the losses of classes, in any order:
///
///     nn::cross_entropy_with<nn::label_smoothing<0.1>, nn::ignore_index<255>, nn::class_weights<19>>
///
/// They are PyTorch's `label_smoothing`, `ignore_index` and `weight`, with the same formula, whose denominator is the
/// sum of the weights of the targets that count. Where that of a whole batch is 0, although some are not ignored, the
/// loss and its gradients are NaN, as PyTorch's are.
#pragma once

#include <remat/core/parameter.hpp>
#include <remat/nn/real.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace remat::nn {

/// A share of each target is spread over all classes: PyTorch's `label_smoothing`, from 0 to 1.
template <real Share>
struct label_smoothing {};

/// The target that does not count: -100 without this option.
template <std::int32_t Target>
struct ignore_index {};

/// Each of `Classes` classes has a weight. They are a state of the loss, "loss.weight" ("loss.class_weight" of
/// `linear_cross_entropy`, which has parameters, too), and 1 at first; set them by name through the model's `states()`.
template <std::size_t Classes>
struct class_weights {};

namespace detail {

/// The options as a value.
struct loss_options {
  std::int32_t ignored = -100;
  float smoothing = 0;
  std::size_t weights = 0;  ///< the number of classes that have one
};

template <real Share>
struct smoothing_share {
  static constexpr bool holds = true;
  static_assert(Share.value >= 0 && Share.value <= 1,
                "remat: a loss's label smoothing is from 0 to 1; give it a number in between");
};

template <class Option>
struct loss_option {
  static constexpr bool holds = false;
  static constexpr bool smooths = false;
  static constexpr void set(loss_options&) {}
};
template <real Share>
struct loss_option<label_smoothing<Share>> {
  static constexpr bool holds = smoothing_share<Share>::holds;
  static constexpr bool smooths = true;
  static constexpr void set(loss_options& o) { o.smoothing = static_cast<float>(Share.value); }
};
template <std::int32_t Target>
struct loss_option<ignore_index<Target>> {
  static constexpr bool holds = true;
  static constexpr bool smooths = false;
  static constexpr void set(loss_options& o) { o.ignored = Target; }
};
template <std::size_t Classes>
struct loss_option<class_weights<Classes>> {
  static constexpr bool holds = true;
  static constexpr bool smooths = false;
  static constexpr void set(loss_options& o) { o.weights = Classes; }
};

template <class... Options>
constexpr loss_options options_of() {
  static_assert((loss_option<Options>::holds && ...),
                "remat: the options of a loss are label_smoothing<0.1>, ignore_index<255> and "
                "class_weights<10>; give it these");
  loss_options made;
  (loss_option<Options>::set(made), ...);
  return made;
}

/// The states of a loss of classes: their weights, where there are any.
template <std::size_t Classes>
constexpr auto class_weight_states(std::string_view name) {
  if constexpr (Classes == 0)
    return std::array<parameter, 0>{};
  else
    return std::array{parameter(name, {Classes}, initial::constant(1))};
}

}  // namespace detail
}  // namespace remat::nn
