// SPDX-License-Identifier: MIT
/// Lowering of modules one after another: a sequential, a repeat, the body of a block.
#pragma once

#include <remat/model/layer_rules.hpp>
#include <remat/model/lowered.hpp>
#include <remat/model/repeat.hpp>
#include <remat/model/rules.hpp>
#include <remat/model/sequential.hpp>
#include <remat/model/stage_rules.hpp>

#include <cstddef>
#include <string_view>
#include <type_traits>

namespace remat::detail {

/// Of a child that is counted with its `width`.
constexpr label child_label(int parent, int position) { return {parent, position, {}, {}, true}; }

/// Modules one after another. Eight to an instantiation, so that 500 of them stay within the compilers' default depth.
template <class Inputs, class Context, class Scope, class... M>
struct chain {
  using output = Inputs;
  using after = Context;
  static constexpr int first_stage = core::none;
  static constexpr int width = 0;
  static constexpr edge emit(emission&, const edge& in, int, int) { return in; }
};

/// A module as the child of another.
template <class M, class Inputs, class Context, class Scope>
struct link : lowered<M, Inputs, Context, typename Scope::template within<false>> {
  using base = lowered<M, Inputs, Context, typename Scope::template within<false>>;
  using its_stages = stages<base::first_stage, base::after::before::stage>;
  static_assert(rules::where<(Scope::checked && base::first_stage != core::none),
                             rules::checkpointed_child_in_one_stage<M, its_stages>>);
};

template <class Inputs, class Context, class Scope, class M, class... Rest>
struct chain<Inputs, Context, Scope, M, Rest...> {
  using head = link<M, Inputs, Context, Scope>;
  using tail = chain<typename head::output, typename head::after, Scope, Rest...>;
  using output = typename tail::output;
  using after = typename tail::after;
  static constexpr int first_stage = head::first_stage != core::none ? head::first_stage : tail::first_stage;
  static constexpr int width = head::width + tail::width;
  static constexpr edge emit(emission& e, const edge& in, int parent, int position) {
    return tail::emit(e, head::emit(e, in, child_label(parent, position)), parent, position + head::width);
  }
};

template <class Inputs, class Context, class Scope, class A, class B, class C, class D, class E, class F, class G,
          class H, class... Rest>
struct chain<Inputs, Context, Scope, A, B, C, D, E, F, G, H, Rest...> {
  using head = chain<Inputs, Context, Scope, A, B, C, D, E, F, G>;
  using eighth = link<H, typename head::output, typename head::after, Scope>;
  using tail = chain<typename eighth::output, typename eighth::after, Scope, Rest...>;
  using output = typename tail::output;
  using after = typename tail::after;
  static constexpr int first_stage = head::first_stage != core::none     ? head::first_stage
                                     : eighth::first_stage != core::none ? eighth::first_stage
                                                                         : tail::first_stage;
  static constexpr int width = head::width + eighth::width + tail::width;
  static constexpr edge emit(emission& e, const edge& in, int parent, int position) {
    const edge seven = head::emit(e, in, parent, position);
    const int after_seven = position + head::width;
    return tail::emit(e, eighth::emit(e, seven, child_label(parent, after_seven)), parent, after_seven + eighth::width);
  }
};

/// The parts of a sequential, or the module itself, as children of what holds it.
template <class M, class Inputs, class Context, class Scope>
struct parts : chain<Inputs, Context, Scope, M> {};
template <class... M, class Inputs, class Context, class Scope>
struct parts<sequential<M...>, Inputs, Context, Scope> : chain<Inputs, Context, Scope, M...> {};

constexpr int stage_of_node(int first_stage, int before) { return first_stage == core::none ? before : first_stage; }

template <class... M, class... In, class Context, class Scope>
struct lowered<sequential<M...>, tensors<In...>, Context, Scope> {
  using children = chain<tensors<In...>, Context, Scope, M...>;
  using output = typename children::output;
  using after = typename children::after;
  static constexpr int first_stage = children::first_stage;
  static constexpr int width = 1, width_of_parts = children::width;
  static constexpr edge emit_parts(emission& e, const edge& in, int parent, int position) {
    return children::emit(e, in, parent, position);
  }
  static constexpr edge emit(emission& e, const edge& in, const label& l) {
    const int n = open_node(e, l, "sequential", true, stage_of_node(first_stage, Context::before::stage));
    const edge out = children::emit(e, in, n, 0);
    close_node(e.made, n);
    return out;
  }
};

template <class A, class B>
inline constexpr bool have_same_tags = false;
template <class A, class B, class... Tags>
inline constexpr bool have_same_tags<context<A, Tags...>, context<B, Tags...>> = true;

/// The first child is lowered in the context before, the others in the context after it: two instantiations at most.
template <std::size_t N, class M, class... In, class Context, class Scope>
struct lowered<repeat<N, M>, tensors<In...>, Context, Scope> {
  static_assert(repetitions<N>::holds);
  using first = link<M, tensors<In...>, Context, Scope>;
  static constexpr bool is_broken = std::is_same_v<typename first::output, broken>;
  static_assert(
      rules::where<!is_broken, rules::repeated_gives_what_it_takes<M, typename first::output, tensors<In...>>>);
  using rest = link<M, std::conditional_t<is_broken, broken, tensors<In...>>, typename first::after, Scope>;
  using output = typename first::output;
  using after = typename rest::after;
  // (Of any N, so that as many instantiations are needed for 1,000 as for 2.)
  static constexpr bool leaves_its_tags = N <= 2 || is_broken || have_same_tags<typename first::after, after>;
  static_assert(rules::repeated_leaves_its_tags<M, leaves_its_tags>::holds);
  static constexpr int first_stage = first::first_stage;
  static constexpr int width = 1;
  static constexpr int width_of_parts = static_cast<int>(N);
  static constexpr edge emit_parts(emission& e, const edge& in, int parent, int position) {
    edge out = first::emit(e, in, {parent, position});
    const int second = e.made.nodes.count();
    const std::size_t written = e.is_outline && N > 2 ? 2 : N;
    for (std::size_t i = 1; i < written; ++i) out = rest::emit(e, out, {parent, position + static_cast<int>(i)});
    if (written < N && second < e.made.nodes.count()) e.made.nodes[second].alike = static_cast<int>(N - written);
    return out;
  }
  static constexpr edge emit(emission& e, const edge& in, const label& l) {
    const int n = open_node(e, l, "repeat", true, stage_of_node(first_stage, Context::before::stage));
    const edge out = emit_parts(e, in, n, 0);
    close_node(e.made, n);
    return out;
  }
};

/// The parts of a block's body are the block's own children.
template <class M, class... In, class Context, class Scope>
  requires Block<M>
struct lowered<M, tensors<In...>, Context, Scope> {
  using children = parts<typename M::body, tensors<In...>, Context, typename Scope::template within<false>>;
  using output = typename children::output;
  using after = typename children::after;
  static constexpr int first_stage = children::first_stage;
  static constexpr int width = 1;
  using its_stages = stages<first_stage, after::before::stage>;
  static_assert(
      rules::where<(Scope::checked && first_stage != core::none), rules::checkpoint_in_one_stage<M, its_stages>>);
  static_assert(rules::where<rules::HasOwnFacts<M>, rules::block_has_no_facts<M>>);
  static constexpr edge emit(emission& e, const edge& in, const label& l) {
    std::string_view kind = "block";
    if constexpr (requires { M::kind; }) kind = M::kind;
    const int n = open_node(e, l, kind, false, stage_of_node(first_stage, Context::before::stage));
    if constexpr (requires(const weight_names*& of_files) { of_files = &M::names; }) e.made.nodes[n].names = &M::names;
    const edge out = children::emit(e, in, n, 0);
    close_node(e.made, n);
    return out;
  }
};

}  // namespace remat::detail
