// SPDX-License-Identifier: MIT
/// A checkpoint as a value: what the tags lower to.
#pragma once

#include <remat/core/policy_setting.hpp>
#include <remat/core/storage_setting.hpp>
#include <remat/core/strategy.hpp>

namespace remat {

struct checkpoint_setting {
  policy_setting policy = {};
  strategy::setting strategy = {};
  storage_setting storage = {};

  /// The children of a sequential form segments of their own.
  constexpr bool cuts() const { return policy.cuts_chains() || !strategy.is_contiguous(); }
  /// It is within one stage. A budget is not: each stage has it, for what it runs of the module.
  constexpr bool is_within_one_stage() const { return !policy.has_budget(); }
  /// It says nothing of a module that has no children.
  constexpr bool needs_children() const { return policy.cuts_chains() || !strategy.takes_any_module(); }
};

/// The setting that tags in a type lower to.
template <Policy P, Strategy S = strategy::contiguous, Storage T = keep>
inline constexpr checkpoint_setting setting_of{policy_setting::of_type<P>(), strategy::setting::of_type<S>(),
                                               storage_setting::of_type<T>()};

}  // namespace remat
