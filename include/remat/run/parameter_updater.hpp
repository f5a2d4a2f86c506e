// SPDX-License-Identifier: MIT
/// What updates a model's parameters within a training step: `model.train_step(x, y, updater)`. Every optimizer is one,
/// and so is `clipped` (clipped.hpp).
///
/// A step calls `begin`, which may refuse it, `update` of each parameter once its gradient is final, and `finish`,
/// which updates the rest. Where it `needs_all_gradients`, or a step may fail, `begin` is called before the step, and
/// `step` after it.
#pragma once

#include <remat/core/compilation.hpp>

#include <concepts>
#include <cstddef>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace remat {

class tensor_list;
inline namespace REMAT_COMPILATION {
class trainable;
}

class parameter_updater {
 public:
  virtual ~parameter_updater() = default;

  /// Updates every parameter of a model from its gradient, at the learning rate times a factor.
  virtual void step(trainable& model, double learning_rate_factor = 1) = 0;

  /// Adds what it remembers of a model to the list of the model's tensors, under names that begin with `prefix`.
  virtual void add_tensors(tensor_list&, const trainable&, const std::string& /*prefix*/) {}
  /// Of the numbers that it keeps in this process, for reports of memory.
  virtual std::size_t bytes() const { return 0; }
  /// Of those that it will keep once it has updated a model.
  virtual std::size_t bytes_for(const trainable&) { return bytes(); }
  /// Whether it looks at the gradients of all parameters before it updates the first: then these are kept in a block.
  virtual bool needs_all_gradients() const { return false; }
  /// Before a step of the model; throws `error` before anything changes.
  virtual void begin(trainable& model, double learning_rate_factor) = 0;
  /// Updates parameter `i` of `parameters()` from its gradient, which is where this points to.
  virtual void update(trainable& model, std::size_t i, const float* gradient) = 0;
  /// After the step: updates, from the block, what has not been updated since `begin`.
  virtual void finish(trainable& model) = 0;

 protected:
  parameter_updater() = default;
  parameter_updater(const parameter_updater&) = default;
  parameter_updater& operator=(const parameter_updater&) = default;
};

namespace detail {

template <class T>
concept Updater = std::derived_from<std::remove_cvref_t<T>, parameter_updater>;

/// How many of a step's arguments are tensors: all but an updater at the end, and a factor after it.
template <class... Arguments>
constexpr std::size_t tensors_before_updater() {
  std::size_t first = sizeof...(Arguments), at = 0;
  ((first = Updater<Arguments> && at < first ? at : first, ++at), ...);
  return first;
}
template <class... Arguments>
concept EndsWithUpdater = (tensors_before_updater<Arguments...>() < sizeof...(Arguments));

/// Calls f(updater, factor, tensors...) with the arguments of such a step, and returns the loss that it gives.
template <class F, class... Arguments>
float with_updater(const F& f, Arguments&... arguments) {
  constexpr std::size_t tensors = tensors_before_updater<Arguments...>(), rest = sizeof...(Arguments) - tensors;
  const double without_factor = 1;
  const auto all = std::forward_as_tuple(arguments..., without_factor);
  using updater = std::tuple_element_t<tensors, std::tuple<Arguments...>>;
  using factor = std::tuple_element_t<tensors + 1, std::tuple<Arguments..., double>>;
  constexpr bool is_changed = !std::is_const_v<updater>, has_factor = rest <= 2 && std::is_arithmetic_v<factor>;
  static_assert(is_changed, "remat: train_step changes the optimizer that it is given; give it one that is not const");
  static_assert(!is_changed || has_factor,
                "remat: what follows the optimizer in train_step is at most a number, the factor on its learning rate; "
                "inputs and targets are before the optimizer");
  if constexpr (is_changed && has_factor) return [&]<std::size_t... I>(std::index_sequence<I...>) {
      parameter_updater& given = std::get<tensors>(all);
      return f(given, static_cast<double>(std::get<tensors + 1>(all)), std::as_const(std::get<I>(all))...);
    }
  (std::make_index_sequence<tensors>{});
  else return 0;
}

}  // namespace detail
}  // namespace remat
