// SPDX-License-Identifier: MIT
/// What modules compute with: `computed_as<bfloat16, M>`.
///
/// Products take factors of bfloat16 and add them up in float32; activations and their gradients are of two bytes, but
/// for the stream of residual blocks; parameters, statistics and the loss stay float32 (plan/compute_type.hpp). Around
/// a whole model it is about its loss, too. The innermost one counts: `computed_as<float, M>` in such a model keeps M
/// as it is. At run time: `model_options::compute`.
///
/// On a CPU without fast instructions for it products are those of floats, on widened copies of the same tensors
/// (run/widened_operation.hpp); one without any says so once.
#pragma once

#include <remat/core/element.hpp>
#include <remat/core/module.hpp>

#include <type_traits>

namespace remat {
namespace detail {

template <class T>
struct computed_type {
  static constexpr bool holds = true;
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, bfloat16>,
                "remat: modules compute with float or with remat::bfloat16; choose one of these");
};

}  // namespace detail

template <class T, class M>
struct computed_as : module {};

}  // namespace remat
