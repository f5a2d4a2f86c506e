// SPDX-License-Identifier: MIT
/// Lowering of what is no chain: branches, residuals, tags and joins.
#pragma once

#include <remat/model/lowered.hpp>
#include <remat/model/lowered_chain.hpp>
#include <remat/model/parallel.hpp>
#include <remat/model/rules.hpp>
#include <remat/model/stage_rules.hpp>
#include <remat/model/tag.hpp>

#include <cstddef>
#include <type_traits>

namespace remat::detail {

template <class A, class B>
struct joined {
  using type = broken;
};
template <class... A, class... B>
struct joined<tensors<A...>, tensors<B...>> {
  using type = tensors<A..., B...>;
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
  using output = typename joined<typename body::output, typename shortcut::output>::type;
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
    return lowered::emit_as("residual", e, in, l);
  }
};

/// A tag of the context: what passed under this name.
template <fixed_string Name, class Tensors>
struct tagged {};

/// The tensors under a name; `broken` where there are none.
template <fixed_string Name, class... Tags>
struct found {
  using type = broken;
};
template <fixed_string Name, class Tensors, class... Rest>
struct found<Name, tagged<Name, Tensors>, Rest...> {
  using type = Tensors;
};
template <fixed_string Name, class First, class... Rest>
struct found<Name, First, Rest...> : found<Name, Rest...> {};

/// `Context` and the tags that follow, without one of this name.
template <fixed_string Name, class Context, class... Tags>
struct without_tag {
  using type = Context;
};
template <fixed_string Name, class Before, class... Kept, class Tensors, class... Rest>
struct without_tag<Name, context<Before, Kept...>, tagged<Name, Tensors>, Rest...>
    : without_tag<Name, context<Before, Kept...>, Rest...> {};
template <fixed_string Name, class Before, class... Kept, class First, class... Rest>
struct without_tag<Name, context<Before, Kept...>, First, Rest...>
    : without_tag<Name, context<Before, Kept..., First>, Rest...> {};

/// The context with a tag in the place of an earlier one of its name, whose tensors may have had other shapes.
template <class Context, fixed_string Name, class Tensors>
struct with_tag;
template <class Before, class... Tags, fixed_string Name, class Tensors>
struct with_tag<context<Before, Tags...>, Name, Tensors> {
  using type = typename without_tag<Name, context<Before, tagged<Name, Tensors>>, Tags...>::type;
};

template <fixed_string Name, class... In, class Context, class Scope>
struct lowered<tag<Name>, tensors<In...>, Context, Scope> {
  using output = tensors<In...>;
  using after = typename with_tag<Context, Name, output>::type;
  static constexpr int first_stage = core::none;
  static constexpr int width = 1;
  static constexpr edge emit(emission& e, const edge& in, const label&) {
    e.remember(Name.view(), in);
    return in;
  }
};

template <class Context, fixed_string Name>
struct tag_of;
template <class Before, class... Tags, fixed_string Name>
struct tag_of<context<Before, Tags...>, Name> : found<Name, Tags...> {};

template <fixed_string Name, class Op, class... In, class Context, class Scope>
struct lowered<join<Name, Op>, tensors<In...>, Context, Scope>
    : lowered<Op, typename joined<tensors<In...>, typename tag_of<Context, Name>::type>::type, Context, Scope> {
  using skipped = typename tag_of<Context, Name>::type;
  using base = lowered<Op, typename joined<tensors<In...>, skipped>::type, Context, Scope>;
  static_assert(rules::tag_comes_before<join<Name, Op>, !std::is_same_v<skipped, broken>>::holds);
  using width_of_parts = more_than_parts;
  static constexpr edge emit(emission& e, const edge& in, const label& l) {
    require_few(typename joined<tensors<In...>, skipped>::type{});
    return base::emit(e, together(in, e.recall(Name.view())), l);
  }
};

template <std::size_t I, class First, class... Rest>
struct at : at<I - 1, Rest...> {};
template <class First, class... Rest>
struct at<0, First, Rest...> {
  using type = First;
};

template <std::size_t... I, class... In, class Context, class Scope>
struct lowered<pick<I...>, tensors<In...>, Context, Scope> {
  static constexpr bool is_there = sizeof...(I) > 0 && ((I < sizeof...(In)) && ...);
  static_assert(rules::picked_is_there<pick<I...>, is_there>::holds);
  template <bool, class = void>
  struct result {
    using type = broken;
  };
  template <class Unused>
  struct result<true, Unused> {
    using type = tensors<typename at<I, In...>::type...>;
  };
  using output = typename result<is_there>::type;
  using after = Context;
  static constexpr int first_stage = core::none;
  static constexpr int width = 1;
  static constexpr edge emit(emission&, const edge& in, const label&) {
    require_few(output{});
    edge out;
    (out.push_back(in[static_cast<int>(I)]), ...);
    return out;
  }
};

}  // namespace remat::detail
