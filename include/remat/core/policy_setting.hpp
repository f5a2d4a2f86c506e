// SPDX-License-Identifier: MIT
/// Any policy (core/policy.hpp), as a value: what a tag lowers to, and what `checkpoint_at` is given. A value holds the
/// policy's object.
#pragma once

#include <remat/core/policy.hpp>
#include <remat/core/policy_search.hpp>
#include <remat/core/shared_constant.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace remat {

namespace detail {

struct policy_base {
  constexpr policy_base() = default;
  policy_base(const policy_base&) = default;
  policy_base& operator=(const policy_base&) = delete;
  constexpr virtual ~policy_base() = default;
  constexpr virtual std::string_view name() const = 0;
  constexpr virtual std::optional<decision> always() const = 0;
  constexpr virtual segment_choice choose(std::span<const operation_view> segment,
                                          const segment_context& context) const = 0;
  constexpr virtual bool has_budget() const = 0;
  constexpr virtual std::optional<byte_limit> limit() const = 0;
  constexpr virtual bool cuts_chains() const = 0;
  constexpr virtual std::size_t links(std::size_t children) const = 0;
  constexpr virtual core::list<chain_segment> nested(std::size_t children) const = 0;
  constexpr virtual bool needs_uniform() const = 0;
  constexpr virtual std::span<const sought_word> seeks() const = 0;
  constexpr virtual bool verifies() const = 0;
};

template <class P>
struct held_policy final : policy_base {
  constexpr explicit held_policy(P policy) : object(std::move(policy)) {}
  constexpr ~held_policy() override {}  // NOLINT(modernize-use-equals-default): g++ 12 wants it for constants

  constexpr std::string_view name() const override {
    if constexpr (requires { std::string_view(P::policy_name); })
      return P::policy_name;
    else
      return "a policy of the user's own";
  }
  constexpr std::optional<decision> always() const override {
    if constexpr (UniformPolicy<P>)
      return object.decide();
    else
      return {};
  }
  constexpr segment_choice choose(std::span<const operation_view> segment,
                                  const segment_context& context) const override {
    if constexpr (OperationPolicy<P>) {
      core::list<decision> decisions(segment.size());
      for (std::size_t i = 0; i < segment.size(); ++i) decisions[i] = object.decide(segment[i]);
      return decisions;
    } else {
      return object.plan(segment, context);
    }
  }
  constexpr bool has_budget() const override { return BudgetPolicy<P>; }
  constexpr std::optional<byte_limit> limit() const override {
    if constexpr (BudgetPolicy<P>)
      return object.limit();
    else
      return {};
  }
  constexpr bool cuts_chains() const override { return ChainPolicy<P>; }
  constexpr std::size_t links(std::size_t children) const override {
    if constexpr (ChainPolicy<P>)
      return object.links(children);
    else
      return children;
  }
  constexpr core::list<chain_segment> nested(std::size_t children) const override {
    if constexpr (NestingPolicy<P>)
      return object.nested(children);
    else
      return {};
  }
  constexpr bool needs_uniform() const override { return needs_uniform_chain<P>; }
  constexpr std::span<const sought_word> seeks() const override {
    if constexpr (SeeksWords<P>)
      return P::seeks;
    else
      return {};
  }
  constexpr bool verifies() const override {
    if constexpr (requires { P::verifies; })
      return P::verifies;
    else
      return false;
  }

  P object;
};

}  // namespace detail

/// Any policy, as a value.
class policy_setting {
 public:
  /// `recompute_all`.
  constexpr policy_setting() : held_(detail::lasting<detail::held_policy, recompute_all>) {}
  /// Keeps the object.
  template <Policy P>
  constexpr policy_setting(P policy)  // NOLINT(google-explicit-constructor): it is one
      : held_(held::template of<detail::held_policy>(std::move(policy))) {}
  /// What a tag says.
  template <Policy P>
  static constexpr policy_setting of_type() {
    return policy_setting(held::template of_type<detail::held_policy, P>());
  }

  constexpr std::string_view name() const { return held_->name(); }
  /// What it decides whatever it sees, where it does not look.
  constexpr std::optional<decision> always() const { return held_->always(); }
  constexpr segment_choice choose(std::span<const operation_view> segment, const segment_context& context) const {
    return held_->choose(segment, context);
  }
  /// The planner decides, within `limit` bytes, or those of the request where it has none.
  constexpr bool has_budget() const { return held_->has_budget(); }
  constexpr std::optional<byte_limit> limit() const { return held_->limit(); }
  /// `links` says how many children are in a segment, and the last segment is not dropped.
  constexpr bool cuts_chains() const { return held_->cuts_chains(); }
  constexpr std::size_t links(std::size_t children) const { return held_->links(children); }
  /// The segments inside one of `children` children, in preorder.
  constexpr core::list<chain_segment> nested(std::size_t children) const { return held_->nested(children); }
  /// It takes chains whose children are all the same.
  constexpr bool needs_uniform() const { return held_->needs_uniform(); }
  /// The kinds and names that it looks for.
  constexpr std::span<const detail::sought_word> seeks() const { return held_->seeks(); }
  /// What is computed again is compared with the first pass.
  constexpr bool verifies() const { return held_->verifies(); }

 private:
  using held = shared_constant<detail::policy_base>;

  constexpr explicit policy_setting(held lasting) : held_(std::move(lasting)) {}

  held held_;
};

}  // namespace remat
