// SPDX-License-Identifier: MIT
/// Boost.Hana's view of a model: `sequential`, `repeat`, `parallel` and `residual` model Foldable and Functor, so that
///
///     hana::transform(net, [](auto m) { return remat::as_checkpointed(m); })
///     hana::unpack(net, f), hana::for_each(net, f), hana::fold_left(net, state, f)
///
/// work on their direct children: the modules of a sequential, the N of a repeat (which a transform changes alike), the
/// branches of a parallel, the body and the shortcut of a residual; and those of such a model that is annotated or
/// inlined. `transform_modules` reaches every depth. Minimal complete definition: unpack and transform. This is the
/// only file that includes Hana.
#pragma once

#include <remat/model/checkpoint.hpp>
#include <remat/model/inlined.hpp>
#include <remat/model/parallel.hpp>
#include <remat/model/repeat.hpp>
#include <remat/model/sequential.hpp>

#include <boost/hana/concept/foldable.hpp>
#include <boost/hana/concept/functor.hpp>
#include <boost/hana/core/tag_of.hpp>
#include <boost/hana/fold_left.hpp>
#include <boost/hana/for_each.hpp>
#include <boost/hana/fwd/transform.hpp>
#include <boost/hana/fwd/unpack.hpp>
#include <boost/hana/length.hpp>
#include <boost/hana/transform.hpp>
#include <boost/hana/unpack.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace remat {

struct container_tag;

namespace detail {

template <class F, class M>
using transformed_by = std::decay_t<decltype(std::declval<F>()(M{}))>;

/// The direct children of a container, and the container of other ones.
template <class Container>
struct children_of;
template <class... M>
struct children_of<sequential<M...>> {
  template <class F>
  static constexpr decltype(auto) unpack(F&& f) {
    return std::forward<F>(f)(M{}...);
  }
  template <class F>
  using transformed = sequential<transformed_by<F, M>...>;
};
template <std::size_t N, class M>
struct children_of<repeat<N, M>> {
  template <class F, std::size_t... I>
  static constexpr decltype(auto) each(F&& f, std::index_sequence<I...>) {
    return std::forward<F>(f)((static_cast<void>(I), M{})...);
  }
  template <class F>
  static constexpr decltype(auto) unpack(F&& f) {
    return each(std::forward<F>(f), std::make_index_sequence<N>{});
  }
  template <class F>
  using transformed = repeat<N, transformed_by<F, M>>;
};
template <class Join, class... M>
struct children_of<parallel<Join, M...>> : children_of<sequential<M...>> {
  template <class F>
  using transformed = parallel<Join, transformed_by<F, M>...>;
};
template <class Body, class Shortcut, class Join>
struct children_of<residual<Body, Shortcut, Join>> : children_of<sequential<Body, Shortcut>> {
  template <class F>
  using transformed = residual<transformed_by<F, Body>, transformed_by<F, Shortcut>, Join>;
};

/// Those of what is inlined: the word stays around them.
template <class M>
  requires requires { sizeof(children_of<M>); }
struct children_of<inlined<M>> : children_of<M> {
  template <class F>
  using transformed = inlined<typename children_of<M>::template transformed<F>>;
};

/// Those of what is annotated: the annotation stays around them.
template <class M, fixed_string Pattern, class Strategy, class Policy, class Storage>
  requires requires { sizeof(children_of<M>); }
struct children_of<set_activation_checkpointing<M, Pattern, Strategy, Policy, Storage>> : children_of<M> {
  template <class F>
  using transformed = set_activation_checkpointing<typename children_of<M>::template transformed<F>, Pattern, Strategy,
                                                   Policy, Storage>;
};

}  // namespace detail
}  // namespace remat

namespace boost::hana {

template <class T>
  requires requires { sizeof(remat::detail::children_of<T>); }
struct tag_of<T> {
  using type = remat::container_tag;
};

template <>
struct unpack_impl<remat::container_tag> {
  template <class Container, class F>
  static constexpr decltype(auto) apply(const Container&, F&& f) {
    return remat::detail::children_of<Container>::unpack(std::forward<F>(f));
  }
};

template <>
struct transform_impl<remat::container_tag> {
  template <class Container, class F>
  static constexpr auto apply(const Container&, F&&) {
    return typename remat::detail::children_of<Container>::template transformed<F>{};
  }
};

}  // namespace boost::hana
