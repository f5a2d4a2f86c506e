// SPDX-License-Identifier: MIT
/// Lowering of branches and residuals.
#pragma once

#include <remat/model/lowered.hpp>
#include <remat/model/lowered_chain.hpp>
#include <remat/model/parallel.hpp>
#include <remat/model/rules.hpp>
#include <remat/model/stage_rules.hpp>

#include <cstddef>
#include <type_traits>

namespace remat::detail {

template <class A, class B>
struct joined {
  using type = broken;
  static constexpr bool are_several = false;
};
template <class... A, class... B>
struct joined<tensors<A...>, tensors<B...>> {
  using type = tensors<A..., B...>;
  static constexpr bool are_several = sizeof...(A) + sizeof...(B) > 2;  // more than one of each
};

/// Modules next to each other, each after the same inputs.
template <class Inputs, class Context, class Scope, class... M>
struct branch_list {
  using output = tensors<>;
  using after = Context;
  static constexpr int first_stage = core::none;
  static constexpr int width = 0;
  static constexpr edge emit(emission&, const edge&, int, int) { return {}; }
};
template <class Inputs, class Context, class Scope, class M, class... Rest>
struct branch_list<Inputs, Context, Scope, M, Rest...> {
  using head = link<M, Inputs, Context, Scope>;
  using tail = branch_list<Inputs, typename head::after, Scope, Rest...>;
  using output = typename joined<typename head::output, typename tail::output>::type;
  using after = typename tail::after;
  static constexpr int first_stage = head::first_stage != core::none ? head::first_stage : tail::first_stage;
  static constexpr int width = head::width + tail::width;
  static constexpr edge emit(emission& e, const edge& in, int parent, int position) {
    const edge first = head::emit(e, in, child_label(parent, position));
    return together(first, tail::emit(e, in, parent, position + head::width));
  }
};

/// What branches and their join are together: `Branches` has output, after, first_stage and emits all of them.
template <class M, class Branches, class Join, class Context, class Scope>
struct branched {
  using branches = Branches;
  using inner = typename Scope::template within<false>;
  using join_ = parts<Join, typename Branches::output, typename Branches::after, inner>;
  using output = typename join_::output;
  using after = typename join_::after;
  static constexpr int first_stage = Branches::first_stage != core::none ? Branches::first_stage : join_::first_stage;
  using its_stages = stages<first_stage, after::before::stage>;
  static_assert(
      rules::where<(Scope::checked && first_stage != core::none), rules::checkpoint_in_one_stage<M, its_stages>>);

  static constexpr int width = 1;
  static constexpr int width_of_parts = Branches::width + join_::width;
  static constexpr edge emit_parts(emission& e, const edge& in, int parent, int position) {
    require_few(typename Branches::output{});
    return join_::emit(e, Branches::emit(e, in, parent, position), parent, position + Branches::width);
  }
  static constexpr edge emit_as(std::string_view kind, emission& e, const edge& in, const label& l) {
    require_few(typename Branches::output{});
    const int n = open_node(e, l, kind, false, stage_of_node(first_stage, Context::before::stage));
    const edge out = join_::emit(e, Branches::emit(e, in, n, 0), n, Branches::width);
    close_node(e.made, n);
    return out;
  }
};

template <class Inputs, class Context, class Scope, class... M>
struct all_branches : branch_list<Inputs, Context, Scope, M...> {};
template <class Inputs, class Context, class Scope>
struct all_branches<Inputs, Context, Scope> : branch_list<Inputs, Context, Scope> {
  using output = broken;
};

template <class Join, class... M, class... In, class Context, class Scope>
struct lowered<parallel<Join, M...>, tensors<In...>, Context, Scope>
    : branched<parallel<Join, M...>,
               all_branches<tensors<In...>, Context, typename Scope::template within<false>, M...>, Join, Context,
               Scope> {
  static_assert(rules::parallel_has_branches<parallel<Join, M...>, (sizeof...(M) > 0)>::holds);
  static constexpr edge emit(emission& e, const edge& in, const label& l) {
    return lowered::emit_as("parallel", e, in, l);
  }
};

/// The body's parts, and the shortcut where it computes anything.
template <class Body, class Shortcut, class Inputs, class Context, class Scope>
struct body_and_shortcut {
  using body = parts<Body, Inputs, Context, Scope>;
  using shortcut = link<Shortcut, Inputs, typename body::after, Scope>;
  using both = joined<typename body::output, typename shortcut::output>;
  using output = typename both::type;
  using after = typename shortcut::after;
  static constexpr bool computes = !std::is_same_v<Shortcut, identity>;
  static constexpr int first_stage = body::first_stage != core::none ? body::first_stage : shortcut::first_stage;
  static constexpr int width = body::width + (computes ? shortcut::width : 0);
  static constexpr edge emit(emission& e, const edge& in, int parent, int position) {
    const edge first = body::emit(e, in, parent, position);
    if constexpr (computes) return together(first, shortcut::emit(e, in, child_label(parent, position + body::width)));
    return together(first, in);
  }
};

template <class Body, class Shortcut, class Join, class... In, class Context, class Scope>
struct lowered<residual<Body, Shortcut, Join>, tensors<In...>, Context, Scope>
    : branched<residual<Body, Shortcut, Join>,
               body_and_shortcut<Body, Shortcut, tensors<In...>, Context, typename Scope::template within<false>>, Join,
               Context, Scope> {
  static constexpr edge emit(emission& e, const edge& in, const label& l) {
    if constexpr (lowered::branches::both::are_several && std::is_same_v<Join, nn::add>)
      static_assert(rules::residual_adds_two<residual<Body, Shortcut, Join>>::holds);
    return lowered::emit_as("residual", e, in, l);
  }
};

}  // namespace remat::detail
