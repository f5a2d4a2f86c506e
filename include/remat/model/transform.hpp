// SPDX-License-Identifier: MIT
/// One change to many modules of a model, at every depth: `transform_modules(net, predicate, f)`.
///
///     constexpr auto checked = remat::transform_modules(
///         net, [](auto m) { return remat::is_kind<"conv2d">(m); }, [](auto m) { return remat::as_checkpointed(m); });
///
/// Each module for which the predicate holds is replaced by f of it, and is not searched; the others are searched
/// through sequentials, names, stages, repeats, branches, joins, checkpoints, annotations, shared, frozen and inlined
/// parts, `computed_as`, `running_statistics` and bodies of blocks. Predicate and f are functions without state of an
/// empty module, as lambdas are that capture nothing. A block in whose body something was replaced becomes a
/// `changed_block`, of the same kind, with the new body; what files call its weights stays.
#pragma once

#include <remat/core/fixed_string.hpp>
#include <remat/core/module.hpp>
#include <remat/core/weight_names.hpp>
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
#include <string_view>
#include <type_traits>

namespace remat {

/// Whether a module is a layer of this kind: "conv2d", whatever its sizes.
template <fixed_string Kind, Module M>
constexpr bool is_kind(M) {
  if constexpr (requires { M::kind; })
    return M::kind == Kind.view();
  else
    return false;
}

namespace detail {

/// What files call the weights of a block.
template <class Block>
struct names_of_block {};
template <class Block>
  requires requires(const weight_names*& names) { names = &Block::names; }
struct names_of_block<Block> {
  static constexpr weight_names names = Block::names;
};

}  // namespace detail

template <class Original, class Body>
struct changed_block : module, detail::names_of_block<Original> {
  static constexpr std::string_view kind = [] {
    if constexpr (requires { Original::kind; })
      return Original::kind;
    else
      return std::string_view("block");
  }();
  using body = Body;
};

namespace detail {

/// `searched<M, ...>::type` is M with what was found in it replaced.
template <class M, class Predicate, class F>
struct searched {
  using type = M;
};

template <class M, class Predicate, class F>
struct transformed {
  static constexpr auto find() {
    if constexpr (Predicate{}(M{}))
      return std::type_identity<std::decay_t<decltype(F{}(M{}))>>{};
    else
      return std::type_identity<typename searched<M, Predicate, F>::type>{};
  }
  using type = typename decltype(find())::type;
};
template <class M, class P, class F>
using transformed_t = typename transformed<M, P, F>::type;

template <class M, class P, class F>
  requires Block<M>
struct searched<M, P, F> {
  using body = transformed_t<typename M::body, P, F>;
  using type = std::conditional_t<std::is_same_v<body, typename M::body>, M, changed_block<M, body>>;
};
template <class... M, class P, class F>
struct searched<sequential<M...>, P, F> {
  using type = sequential<transformed_t<M, P, F>...>;
};
template <std::size_t N, class M, class P, class F>
struct searched<repeat<N, M>, P, F> {
  using type = repeat<N, transformed_t<M, P, F>>;
};
template <class Join, class... M, class P, class F>
struct searched<parallel<Join, M...>, P, F> {
  using type = parallel<transformed_t<Join, P, F>, transformed_t<M, P, F>...>;
};
template <class Body, class Shortcut, class Join, class P, class F>
struct searched<residual<Body, Shortcut, Join>, P, F> {
  using type = residual<transformed_t<Body, P, F>, transformed_t<Shortcut, P, F>, transformed_t<Join, P, F>>;
};
template <fixed_string Name, class Op, class P, class F>
struct searched<join<Name, Op>, P, F> {
  using type = join<Name, transformed_t<Op, P, F>>;
};
template <fixed_string Name, class M, class P, class F>
struct searched<named<Name, M>, P, F> {
  using type = named<Name, transformed_t<M, P, F>>;
};
template <fixed_string Name, class M, class P, class F>
struct searched<shared<Name, M>, P, F> {
  using type = shared<Name, transformed_t<M, P, F>>;
};
template <class M, class P, class F>
struct searched<inlined<M>, P, F> {
  using type = inlined<transformed_t<M, P, F>>;
};
template <class M, class P, class F>
struct searched<frozen<M>, P, F> {
  using type = frozen<transformed_t<M, P, F>>;
};
template <class M, class P, class F>
struct searched<running_statistics<M>, P, F> {
  using type = running_statistics<transformed_t<M, P, F>>;
};
template <class T, class M, class P, class F>
struct searched<computed_as<T, M>, P, F> {
  using type = computed_as<T, transformed_t<M, P, F>>;
};
template <int Stage, class M, class P, class F>
struct searched<on_stage<Stage, M>, P, F> {
  using type = on_stage<Stage, transformed_t<M, P, F>>;
};
template <class M, class Policy_, class Storage_, class P, class F>
struct searched<checkpoint<M, Policy_, Storage_>, P, F> {
  using type = checkpoint<transformed_t<M, P, F>, Policy_, Storage_>;
};
template <class M, class Strategy_, class Policy_, class Storage_, class P, class F>
struct searched<checkpoint_sequential<M, Strategy_, Policy_, Storage_>, P, F> {
  using type = checkpoint_sequential<transformed_t<M, P, F>, Strategy_, Policy_, Storage_>;
};

template <class M, fixed_string Pattern, class Strategy_, class Policy_, class Storage_, class P, class F>
struct searched<set_activation_checkpointing<M, Pattern, Strategy_, Policy_, Storage_>, P, F> {
  using type = set_activation_checkpointing<transformed_t<M, P, F>, Pattern, Strategy_, Policy_, Storage_>;
};

}  // namespace detail

template <Module Net, class Predicate, class F>
constexpr auto transform_modules(Net, Predicate, F) {
  return detail::transformed_t<Net, Predicate, F>{};
}

}  // namespace remat
