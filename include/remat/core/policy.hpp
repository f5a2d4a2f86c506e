// SPDX-License-Identifier: MIT
/// What a checkpoint keeps: policies, storages and strategies as empty tags, and as the values they lower to.
///
/// | policy          | keeps between forward and backward                                      |
/// |-----------------|-------------------------------------------------------------------------|
/// | `save_all`      | everything that some backward reads                                     |
/// | `recompute_all` | the inputs and outputs of the checkpointed part                         |
/// | a user's own    | the outputs of those operations for which it says `decision::keep`       |
///
/// A policy of a user's own is an empty type that decides operation by operation, or for a whole segment at once:
///
///     static constexpr remat::decision decide(const remat::operation_view& operation);
///     static constexpr remat::list<remat::decision> plan(std::span<const remat::operation_view> segment,
///                                                        const remat::segment_context& context);
///
/// `decide` is asked where a policy has both; what `plan` says nothing of is recomputed. A `policy_name` (a
/// string_view) is in reports.
#pragma once

#include <remat/core/list.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

namespace remat {

enum class decision { keep, recompute };

/// What a policy sees of an operation inside a checkpoint.
struct operation_view {
  std::string_view kind;     ///< "conv2d", "linear", "relu", ...
  std::string_view name;     ///< of its module, or of the innermost named one that ends with it; or empty
  std::size_t output_bytes;  ///< of all outputs, at the planned batch
  double flops;              ///< of its forward pass, at the planned batch
};

/// What a policy for whole segments sees beside the operations.
struct segment_context {
  std::size_t batch;
  int stage;      ///< of the pipeline
  int in_flight;  ///< micro-batches whose activations this stage holds at once: 1 in one process
};

/// Keeps everything that some backward reads: what happens outside of any checkpoint.
struct save_all {
  static constexpr std::string_view policy_name = "save_all";
  static constexpr decision decide(const operation_view&) { return decision::keep; }
};

/// Keeps nothing inside: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
struct recompute_all {
  static constexpr std::string_view policy_name = "recompute_all";
  static constexpr decision decide(const operation_view&) { return decision::recompute; }
};

template <class T>
concept OperationPolicy = requires(const operation_view& operation) {
  { T::decide(operation) } -> std::same_as<decision>;
};

template <class T>
concept SegmentPolicy = requires(std::span<const operation_view> segment, const segment_context& context) {
  { T::plan(segment, context) } -> std::same_as<list<decision>>;
};

template <class T>
concept Policy = OperationPolicy<T> || SegmentPolicy<T>;

/// A storage: a kept activation stays in the arena, as computed.
struct keep {};

template <class T>
concept Storage = std::same_as<T, keep>;

/// How the children of a checkpointed sequential form segments.
namespace strategy {

inline constexpr std::size_t unlimited = static_cast<std::size_t>(-1);

/// Every child is a segment of its own.
struct each {
  static constexpr std::size_t children = 1;
};
/// All consecutive children on one stage are one segment.
struct contiguous {
  static constexpr std::size_t children = unlimited;
};
/// N children at a time; grouping starts anew at each stage.
template <std::size_t N>
struct group {
  static constexpr std::size_t children = N;
};

}  // namespace strategy

template <class T>
concept Strategy = requires {
  { T::children } -> std::convertible_to<std::size_t>;
};

/// A policy that says how long the segments of a chain are: `links(children)` of so many children.
template <class T>
concept ChainPolicy = Policy<T> && requires(std::size_t children) {
  { T::links(children) } -> std::same_as<std::size_t>;
};

/// A checkpoint as a value: what the tags lower to.
struct checkpoint_setting {
  std::string_view policy = {};
  decision (*decide)(const operation_view&) = nullptr;
  list<decision> (*plan)(std::span<const operation_view>, const segment_context&) = nullptr;
  bool plans_segments = false;                 ///< which of the two decides
  std::size_t children = strategy::unlimited;  ///< of a sequential, in one segment
  std::size_t (*links)(std::size_t) = nullptr;
  bool cuts_chains = false;  ///< `links` says how many children are in a segment, and the last segment is not dropped
};

template <Policy P, Strategy S = strategy::contiguous>
inline constexpr checkpoint_setting setting_of = [] {
  checkpoint_setting setting{.policy = "a policy of the user's own", .children = S::children};
  if constexpr (requires { P::policy_name; }) setting.policy = P::policy_name;
  setting.plans_segments = !OperationPolicy<P>;
  setting.cuts_chains = ChainPolicy<P>;
  if constexpr (ChainPolicy<P>) setting.links = &P::links;
  if constexpr (OperationPolicy<P>)
    setting.decide = &P::decide;
  else
    setting.plan = &P::plan;
  return setting;
}();

}  // namespace remat
