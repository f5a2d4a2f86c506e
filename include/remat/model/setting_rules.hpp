// SPDX-License-Identifier: MIT
/// The laws of what a checkpoint in a type is told: its policy, strategy and storage.
#pragma once

#include <remat/model/rules.hpp>

namespace remat::detail {

template <class P, class S, class Storage_>
struct setting_rules {
  static constexpr bool holds = true;
  static_assert(rules::is_strategy<S>::holds);
  static_assert(rules::where<Strategy<S>, rules::tag_has_its_members<S>>);
  static_assert(rules::where<(Strategy<S> && is_complete_tag<S>), rules::group_has_members<S>>);
  static_assert(rules::is_policy<P>::holds);
  static_assert(rules::where<Policy<P>, rules::tag_has_its_members<P>>);
  static_assert(rules::where<(ChainPolicy<P> && is_complete_tag<P>), rules::segment_has_links<P>>);
  static_assert(rules::is_storage<Storage_>::holds);
};

/// Whether a setting can be made of the tags: after a broken law, there is none.
template <class P, class S, class T>
inline constexpr bool make_a_setting = Policy<P>&& is_complete_tag<P>&& Strategy<S>&& is_complete_tag<S>&& Storage<T>;

}  // namespace remat::detail
