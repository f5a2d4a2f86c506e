// SPDX-License-Identifier: MIT
/// What a checkpoint keeps: policies, as tags in a type. Any of them is a value, too (core/policy_setting.hpp).
///
/// | policy          | keeps between forward and backward                                      |
/// |-----------------|-------------------------------------------------------------------------|
/// | `save_all`      | everything that some backward reads                                     |
/// | `recompute_all` | the inputs and outputs of the checkpointed part                         |
/// | a user's own    | the outputs of those operations for which it says `decision::keep`       |
///
/// `verified<P>` is P, and compares what a step computes again or gets back from a storage with the first pass.
///
/// A policy of a user's own decides operation by operation, or for a whole segment at once:
///
///     constexpr remat::decision decide(const remat::operation_view& operation) const;
///     constexpr remat::segment_choice plan(std::span<const remat::operation_view> segment,
///                                          const remat::segment_context& context) const;   // or a list of decisions
///
/// `decide` is asked where a policy has both. One that has a `limit` of bytes leaves it to the planner
/// (core/budget.hpp). They may be static. A `policy_name` (a static string_view) is in reports.
///
/// A policy may have members: `checkpoint_at("h", save_what_fits{bytes})` keeps the object. In a type it is a template
/// argument, of the policy or of `with`: `checkpoint<M, with<save_what_fits{1'000'000}>>`.
#pragma once

#include <remat/core/budget.hpp>
#include <remat/core/list.hpp>
#include <remat/core/operation_view.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>

namespace remat {

/// Keeps everything that some backward reads: what happens outside of any checkpoint.
struct save_all {
  static constexpr std::string_view policy_name = "save_all";
  static constexpr decision decide(const operation_view& = {}) { return decision::keep; }
};

/// Keeps nothing inside: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
struct recompute_all {
  static constexpr std::string_view policy_name = "recompute_all";
  static constexpr decision decide(const operation_view& = {}) { return decision::recompute; }
};

template <class T>
concept OperationPolicy = requires(const T& policy, const operation_view& operation) {
  { policy.decide(operation) } -> std::same_as<decision>;
};

/// One that decides the same for all operations, without looking: `decide` needs no argument.
template <class T>
concept UniformPolicy = OperationPolicy<T> && requires(const T& policy) {
  { policy.decide() } -> std::same_as<decision>;
};

template <class T>
concept SegmentPolicy = requires(const T& policy, std::span<const operation_view> segment,
                                 const segment_context& context) {
  { policy.plan(segment, context) } -> std::convertible_to<segment_choice>;
};

template <class T>
concept Policy = OperationPolicy<T> || SegmentPolicy<T>;

/// A policy that says how long the segments of a chain are: `links(children)` of `children` children.
template <class T>
concept ChainPolicy = Policy<T> && requires(const T& policy, std::size_t children) {
  { policy.links(children) } -> std::same_as<std::size_t>;
};

/// Children [first, last) of a chain.
struct chain_segment {
  std::size_t first = 0, last = 0;
};

/// A chain policy whose segments have others inside: `nested(children)` of a segment of `children` children, in
/// preorder.
template <class T>
concept NestingPolicy = ChainPolicy<T> && requires(const T& policy, std::size_t children) {
  { policy.nested(children) } -> std::same_as<core::list<chain_segment>>;
};

/// One for chains whose children are all the same: `needs_uniform_chain`.
template <class T>
inline constexpr bool needs_uniform_chain = false;
template <class T>
  requires requires { T::needs_uniform_chain; }
inline constexpr bool needs_uniform_chain<T> = T::needs_uniform_chain;

/// A policy or strategy with members, as a type: `checkpoint<M, with<save_what_fits{1'000'000}>>`.
template <auto Object>
struct with : std::remove_cv_t<decltype(Object)> {
  constexpr with() : std::remove_cv_t<decltype(Object)>(Object) {}
};

/// Whether a type alone says what a policy or strategy is: it has no members, or they are in the type.
template <class T>
inline constexpr bool is_complete_tag = std::is_empty_v<T>&& std::is_default_constructible_v<T>;
template <auto Object>
inline constexpr bool is_complete_tag<with<Object>> = true;
/// The bytes of the model's option `activation_bytes`.
template <>
inline constexpr bool is_complete_tag<budget<>> = true;

/// A policy whose checkpoint is verified: every tensor that is computed again, or that a lossless storage gives
/// back, is compared with that of the first pass, bit by bit (as hashes of 64 bits, which take no memory of the arena).
/// The first difference ends the step with a `verification_error` that names the module. In a type `verified<P>`, as a
/// value `verified{policy}`; it holds for checkpoints within, too. A step takes longer by about one reading of these
/// tensors in each pass.
template <class P>
struct verified {};  // of what is no policy, it is none: rules::is_policy says so
template <Policy P>
struct verified<P> : P {
  static constexpr bool verifies = true;
};
template <class P>
verified(P) -> verified<P>;
template <class P>
inline constexpr bool is_complete_tag<verified<P>> = is_complete_tag<P>;

}  // namespace remat
