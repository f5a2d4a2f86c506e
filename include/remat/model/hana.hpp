// SPDX-License-Identifier: MIT
/// Boost.Hana's view of a model: `sequential` models Foldable and Functor, so that
///
///     hana::transform(net, [](auto m) { return remat::checkpointed(m); })
///     hana::unpack(net, f), hana::for_each(net, f), hana::fold_left(net, state, f)
///
/// work on the direct children of a sequential. Minimal complete definition: unpack and transform.
/// This is the only file that includes Hana.
#pragma once

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

#include <type_traits>
#include <utility>

namespace remat {

struct sequential_tag;

}  // namespace remat

namespace boost::hana {

template <class... M>
struct tag_of<remat::sequential<M...>> {
  using type = remat::sequential_tag;
};

template <>
struct unpack_impl<remat::sequential_tag> {
  template <class... M, class F>
  static constexpr decltype(auto) apply(const remat::sequential<M...>&, F&& f) {
    return std::forward<F>(f)(M{}...);
  }
};

template <>
struct transform_impl<remat::sequential_tag> {
  template <class... M, class F>
  static constexpr auto apply(const remat::sequential<M...>&, F&& f) {
    return remat::sequential<std::decay_t<decltype(f(M{}))>...>{};
  }
};

}  // namespace boost::hana
