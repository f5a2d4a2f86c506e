// SPDX-License-Identifier: MIT
/// Lowering of what wraps a module and computes nothing: names, stages, checkpoints, sharing, freezing, running
/// statistics, types of computation, inlining.
#pragma once

#include <remat/model/checkpoint.hpp>
#include <remat/model/computed_as.hpp>
#include <remat/model/frozen.hpp>
#include <remat/model/inlined.hpp>
#include <remat/model/lowered.hpp>
#include <remat/model/named.hpp>
#include <remat/model/on_stage.hpp>
#include <remat/model/repeat.hpp>
#include <remat/model/rules.hpp>
#include <remat/model/running_statistics.hpp>
#include <remat/model/sequential.hpp>
#include <remat/model/setting_rules.hpp>
#include <remat/model/shared.hpp>
#include <remat/model/words_inside.hpp>

#include <string_view>
#include <type_traits>

namespace remat::detail {

constexpr bool is_part_of_a_path(std::string_view name) {
  bool is_number = true;
  for (char c : name) {
    if (c == '.') return false;
    is_number = is_number && c >= '0' && c <= '9';
  }
  return !is_number;
}

template <fixed_string Name, class M, class... In, class Context, class Scope>
struct lowered<named<Name, M>, tensors<In...>, Context, Scope> : lowered<M, tensors<In...>, Context, Scope> {
  static_assert(rules::name_is_part_of_a_path<named<Name, M>, is_part_of_a_path(Name.view())>::holds);
  static constexpr int width = 1;
  using width_of_parts = more_than_parts;
  static constexpr edge emit(emission& e, const edge& in, label l) {
    l.name = Name.view();
    l.may_be_inlined = false;
    return lowered<M, tensors<In...>, Context, Scope>::emit(e, in, l);
  }
};

template <int Stage, class M, class... In, class Context, class Scope>
struct lowered<on_stage<Stage, M>, tensors<In...>, Context, Scope>
    : lowered<M, tensors<In...>, Context, typename Scope::template on<(Stage >= 0 ? Stage : core::none)>> {
  static_assert(stage_number<Stage>::holds);
};

template <fixed_string Name, class M, class... In, class Context, class Scope>
struct lowered<shared<Name, M>, tensors<In...>, Context, Scope> : lowered<M, tensors<In...>, Context, Scope> {
  static_assert(rules::shared_has_a_name<shared<Name, M>, !Name.view().empty()>::holds);
  static constexpr int width = 1;
  using width_of_parts = more_than_parts;
  static constexpr edge emit(emission& e, const edge& in, label l) {
    l.shared_as = Name.view();
    l.may_be_inlined = false;
    e.shares = true;
    return lowered<M, tensors<In...>, Context, Scope>::emit(e, in, l);
  }
};

template <class T, class M, class... In, class Context, class Scope>
struct lowered<computed_as<T, M>, tensors<In...>, Context, Scope> : lowered<M, tensors<In...>, Context, Scope> {
  static_assert(computed_type<T>::holds);
  static constexpr int width = 1;
  using width_of_parts = more_than_parts;
  static constexpr edge emit(emission& e, const edge& in, label l) {
    l.compute = std::is_same_v<T, bfloat16> ? element::bfloat16 : element::float32;
    l.may_be_inlined = false;
    return lowered<M, tensors<In...>, Context, Scope>::emit(e, in, l);
  }
};

template <class M, class... In, class Context, class Scope>
struct lowered<frozen<M>, tensors<In...>, Context, Scope> : lowered<M, tensors<In...>, Context, typename Scope::froze> {
};

template <class M, class... In, class Context, class Scope>
struct lowered<running_statistics<M>, tensors<In...>, Context, Scope>
    : lowered<M, tensors<In...>, Context, typename Scope::kept> {};

template <class M, class... In, class Context, class Scope>
struct lowered<inlined<M>, tensors<In...>, Context, Scope> : lowered<M, tensors<In...>, Context, Scope> {
  using base = lowered<M, tensors<In...>, Context, Scope>;
  static constexpr bool is_broken = std::is_same_v<typename base::output, broken>;
  static constexpr bool has_parts = requires { base::width_of_parts; };
  static_assert(rules::inlined_has_parts<inlined<M>, (has_parts || is_broken)>::holds);
  static constexpr int count() {
    if constexpr (has_parts)
      return base::width_of_parts;
    else
      return 1;
  }
  static constexpr int width = count();
  static constexpr edge emit(emission& e, const edge& in, const label& l) {
    if constexpr (has_parts)
      if (l.may_be_inlined) return base::emit_parts(e, in, l.parent, l.position);
    return base::emit(e, in, l);
  }
};

/// M without the wrappers that a path does not show.
template <class M>
struct bare {
  using type = M;
};
template <fixed_string Name, class M>
struct bare<named<Name, M>> : bare<M> {};
template <int Stage, class M>
struct bare<on_stage<Stage, M>> : bare<M> {};
template <fixed_string Name, class M>
struct bare<shared<Name, M>> : bare<M> {};
template <class M>
struct bare<frozen<M>> : bare<M> {};
template <class M>
struct bare<running_statistics<M>> : bare<M> {};
template <class M>
struct bare<inlined<M>> : bare<M> {};
template <class T, class M>
struct bare<computed_as<T, M>> : bare<M> {};
template <class M, class P, class S>
struct bare<checkpoint<M, P, S>> : bare<M> {};
template <class M, class S, class P, class Storage_>
struct bare<checkpoint_sequential<M, S, P, Storage_>> : bare<M> {};

template <class M, fixed_string Pattern, class S, class P, class Storage_>
struct bare<set_activation_checkpointing<M, Pattern, S, P, Storage_>> : bare<M> {};

template <class T>
inline constexpr bool is_repeat = false;
template <std::size_t N, class M>
inline constexpr bool is_repeat<repeat<N, M>> = true;
template <class M>
inline constexpr bool has_children = is_sequential<typename bare<M>::type> || is_repeat<typename bare<M>::type>;

/// Of what has this policy around it: it is within one stage, but for a budget, which each stage has for what it runs.
template <class Scope, class P>
using checkpointed_scope = typename Scope::template within<Scope::checked || !BudgetPolicy<P>>;

/// A checkpoint around M: what its two spellings have in common.
template <class M, class P, class S, class Storage_, class Inputs, class Context, class Scope>
struct lowered_checkpoint : lowered<M, Inputs, Context, checkpointed_scope<Scope, P>> {
  static_assert(setting_rules<P, S, Storage_>::holds);
  static_assert(rules::where<(Policy<P> && SeeksWords<P>), rules::policy_finds_its_words<P, words_inside<M>>>);
  static constexpr int width = 1;
  using width_of_parts = more_than_parts;
  static constexpr edge emit(emission& e, const edge& in, label l) {
    l.may_be_inlined = false;
    if constexpr (make_a_setting<P, S, Storage_>) e.checkpoints.push_back(setting_of<P, S, Storage_>);
    [[maybe_unused]] const int here = e.made.nodes.count();
    const edge out = lowered<M, Inputs, Context, checkpointed_scope<Scope, P>>::emit(e, in, l);
    e.checkpoints.clear();  // where M is no module of the program
    if constexpr (needs_uniform_chain<P>)
      if (here < e.made.nodes.count()) require_uniform_chain(e.made, here, policy_setting::of_type<P>());
    return out;
  }
};

template <class M, class P, class Storage_, class... In, class Context, class Scope>
struct lowered<checkpoint<M, P, Storage_>, tensors<In...>, Context, Scope>
    : lowered_checkpoint<M, P, strategy::contiguous, Storage_, tensors<In...>, Context, Scope> {
  static_assert(rules::where<ChainPolicy<P>, rules::chain_policy_has_children<P, M, has_children<M>>>);
};

template <class M, class S, class P, class Storage_, class... In, class Context, class Scope>
struct lowered<checkpoint_sequential<M, S, P, Storage_>, tensors<In...>, Context, Scope>
    : lowered_checkpoint<M, P, S, Storage_, tensors<In...>, Context, Scope> {
  static_assert(rules::strategy_has_children<M, has_children<M>>::holds);
};

}  // namespace remat::detail
