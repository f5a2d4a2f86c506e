// SPDX-License-Identifier: MIT
/// Models as values: the same types, written like a forward function.
///
///     constexpr auto net = nn::linear<784, 128>{} | nn::relu{} | remat::as_checkpointed(nn::linear<128, 10>{});
///
/// `a | b` is a sequential of both; sequentials on either side are flattened into it. A tag, a join or a selection is
/// its own value: `remat::tag<"skip">{} | ... | remat::join<"skip", nn::concat>{}`.
#pragma once

#include <remat/model/checkpoint.hpp>
#include <remat/model/computed_as.hpp>
#include <remat/model/frozen.hpp>
#include <remat/model/inlined.hpp>
#include <remat/model/named.hpp>
#include <remat/model/on_stage.hpp>
#include <remat/model/parallel.hpp>
#include <remat/model/repeat.hpp>
#include <remat/model/running_statistics.hpp>
#include <remat/model/sequential.hpp>
#include <remat/model/shared.hpp>
#include <remat/model/tag.hpp>

#include <cstddef>

namespace remat {

template <Module A, Module B>
constexpr sequential<A, B> operator|(A, B) {
  return {};
}
template <class... A, Module B>
constexpr sequential<A..., B> operator|(sequential<A...>, B) {
  return {};
}
template <Module A, class... B>
constexpr sequential<A, B...> operator|(A, sequential<B...>) {
  return {};
}
template <class... A, class... B>
constexpr sequential<A..., B...> operator|(sequential<A...>, sequential<B...>) {
  return {};
}

/// `checkpoint<M, P, Storage_>` of a value.
template <class P = recompute_all, class Storage_ = keep, Module M>
constexpr checkpoint<M, P, Storage_> as_checkpointed(M) {
  return {};
}

/// `checkpoint_sequential<M, S, P, Storage_>` of a value, a sequential with or without a name.
template <class S = strategy::each, class P = recompute_all, class Storage_ = keep, Module M>
constexpr checkpoint_sequential<M, S, P, Storage_> as_checkpointed_sequential(M) {
  return {};
}

/// `set_activation_checkpointing<M, Pattern, S, P, Storage_>` of a value: `as_checkpointed_at<"h.*.mlp">(net)`.
template <fixed_string Pattern, class S = strategy::each_if_sequential, class P = recompute_all, class Storage_ = keep,
          Module M>
constexpr set_activation_checkpointing<M, Pattern, S, P, Storage_> as_checkpointed_at(M) {
  return {};
}

/// `named<Name, M>` of a value: `as_named<"fc1">(nn::linear<9216, 128>{})`.
template <fixed_string Name, Module M>
constexpr named<Name, M> as_named(M) {
  return {};
}

/// `on_stage<Stage, M>` of a value.
template <int Stage, Module M>
constexpr on_stage<Stage, M> as_staged(M) {
  return {};
}

/// `repeat<N, M>` of a value.
template <std::size_t N, Module M>
constexpr repeat<N, M> as_repeated(M) {
  return {};
}

/// `residual<Body, Shortcut, Join>` of values: `as_residual(body)` is x + body(x).
template <Module Body, Module Shortcut = identity, Module Join = nn::add>
constexpr residual<Body, Shortcut, Join> as_residual(Body, Shortcut = {}, Join = {}) {
  return {};
}

/// `parallel<Join, M...>` of values: the join first.
template <Module Join, Module... M>
constexpr parallel<Join, M...> as_parallel(Join, M...) {
  return {};
}

/// `shared<Name, M>` of a value.
template <fixed_string Name, Module M>
constexpr shared<Name, M> as_shared(M) {
  return {};
}

/// `frozen<M>` of a value.
template <Module M>
constexpr frozen<M> as_frozen(M) {
  return {};
}

/// `inlined<M>` of a value.
template <Module M>
constexpr inlined<M> as_inlined(M) {
  return {};
}

/// `computed_as<T, M>` of a value: `as_computed<bfloat16>(m)`.
template <class T, Module M>
constexpr computed_as<T, M> as_computed(M) {
  return {};
}

/// `running_statistics<M>` of a value.
template <Module M>
constexpr running_statistics<M> as_running_statistics(M) {
  return {};
}

}  // namespace remat
