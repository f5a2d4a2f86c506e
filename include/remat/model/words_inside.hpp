// SPDX-License-Identifier: MIT
/// The kinds and names of the modules inside a model type, at every depth: what a policy in the type may look for.
#pragma once

#include <remat/core/policy_search.hpp>
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

namespace remat::detail {

/// `words_inside<M>::have(word)`: whether a module inside M, or M, is of that kind or name.
template <class M>
struct words_inside {
  static constexpr bool have(const sought_word& word) {
    if constexpr (requires { M::kind; })
      return word.is_kind && M::kind == word.text;
    else
      return false;
  }
};

template <class... M>
struct words_inside_any {
  static constexpr bool have(const sought_word& word) { return (words_inside<M>::have(word) || ...); }
};

template <class M>
  requires Block<M>
struct words_inside<M> : words_inside<typename M::body> {
};
template <class... M>
struct words_inside<sequential<M...>> : words_inside_any<M...> {};
template <std::size_t N, class M>
struct words_inside<repeat<N, M>> : words_inside<M> {};
template <class Join, class... M>
struct words_inside<parallel<Join, M...>> : words_inside_any<Join, M...> {};
template <class Body, class Shortcut, class Join>
struct words_inside<residual<Body, Shortcut, Join>> : words_inside_any<Body, Shortcut, Join> {};
template <fixed_string Name, class Op>
struct words_inside<join<Name, Op>> : words_inside<Op> {};
template <fixed_string Name, class M>
struct words_inside<named<Name, M>> {
  static constexpr bool have(const sought_word& word) {
    return (!word.is_kind && Name.view() == word.text) || words_inside<M>::have(word);
  }
};
template <fixed_string Name, class M>
struct words_inside<shared<Name, M>> : words_inside<M> {};
template <class M>
struct words_inside<inlined<M>> : words_inside<M> {};
template <class M>
struct words_inside<frozen<M>> : words_inside<M> {};
template <class M>
struct words_inside<running_statistics<M>> : words_inside<M> {};
template <class T, class M>
struct words_inside<computed_as<T, M>> : words_inside<M> {};
template <int Stage, class M>
struct words_inside<on_stage<Stage, M>> : words_inside<M> {};
template <class M, class P, class S>
struct words_inside<checkpoint<M, P, S>> : words_inside<M> {};
template <class M, class Strategy_, class P, class S>
struct words_inside<checkpoint_sequential<M, Strategy_, P, S>> : words_inside<M> {};
template <class M, fixed_string Pattern, class Strategy_, class P, class S>
struct words_inside<set_activation_checkpointing<M, Pattern, Strategy_, P, S>> : words_inside<M> {};

}  // namespace remat::detail
