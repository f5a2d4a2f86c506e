// SPDX-License-Identifier: MIT
/// Lowering of tags, of joins with what passed under them, and of what picks some of several tensors.
#pragma once

#include <remat/model/lowered.hpp>
#include <remat/model/lowered_branches.hpp>
#include <remat/model/rules.hpp>
#include <remat/model/tag.hpp>

#include <cstddef>
#include <type_traits>

namespace remat::detail {

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
