// SPDX-License-Identifier: MIT
/// The laws of what a checkpoint in a type is told, its policy, strategy and storage, and of which modules these take.
/// rules.hpp says how a rule is written.
#pragma once

#include <remat/core/checkpoint_setting.hpp>
#include <remat/core/policy_search.hpp>
#include <remat/model/rules.hpp>

#include <span>

namespace remat {
namespace rules {

template <class Policy_>
struct is_policy {
  static constexpr bool holds = true;
  static_assert(
      Policy<Policy_>,
      "remat: a checkpoint's policy must be one of those in remat/core/policy.hpp, or a type with `decide` or `plan`; "
      "pass one of these");
};

/// Inside: the words of what is checkpointed.
template <class P, class Inside>
struct policy_finds_its_words {
  static constexpr bool holds = true;
  static_assert(
      detail::first_missing(std::span<const detail::sought_word>(P::seeks), &Inside::have) == nullptr,
      "remat: a policy that looks for kinds or names finds them inside its checkpoint, and this one does not; "
      "correct the word, or leave it out (the arguments of policy_finds_its_words are the policy and what is "
      "checkpointed)");
};

template <class Storage_>
struct is_storage {
  static constexpr bool holds = true;
  static_assert(
      Storage<Storage_>,
      "remat: a checkpoint's storage must be one of those in remat/core/storage.hpp, or a type with `storage_name`, "
      "`is_lossless` and `bytes`, `store` and `restore`, or `open`; pass one of these, or leave it out");
};

template <class Strategy_>
struct is_strategy {
  static constexpr bool holds = true;
  static_assert(
      Strategy<Strategy_>,
      "remat: a strategy must be strategy::each, contiguous, group<N> or boundaries<\"path\"...>, or a type with "
      "`children` or `paths`; pass one of these");
};

/// Of a policy or strategy in a type.
template <class Tag>
struct tag_has_its_members {
  static constexpr bool holds = true;
  static_assert(is_complete_tag<Tag>,
                "remat: a policy or strategy in a type must be complete without arguments; write remat::with<object>, "
                "or give the object to remat::checkpoint_at when the model is built");
};

template <class Strategy_>
struct group_has_members {
  static constexpr bool holds = true;
  static_assert(strategy::setting::of_type<Strategy_>().children() >= 1,
                "remat: a group holds at least one child; write strategy::group<1> or strategy::each");
};

template <class M, bool IsSequential>
struct strategy_has_children {
  static constexpr bool holds = true;
  static_assert(IsSequential,
                "remat: checkpoint_sequential takes a sequential; use remat::checkpoint for any other module");
};

template <class P>
struct segment_has_links {
  static constexpr bool holds = true;
  static_assert(
      P{}.links(1) >= 1,
      "remat: a segment holds at least one child, and revolve at least one slot; write every<1>, revolve<1> or "
      "more");
};

template <class P, class M, bool IsSequential>
struct chain_policy_has_children {
  static constexpr bool holds = true;
  static_assert(
      IsSequential,
      "remat: a policy that cuts a chain (every, square_root, revolve) takes a sequential or a repeat; use another "
      "policy for any other module");
};

}  // namespace rules

namespace detail {

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

}  // namespace detail
}  // namespace remat
