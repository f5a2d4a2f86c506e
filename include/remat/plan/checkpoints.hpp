// SPDX-License-Identifier: MIT
/// Checkpoints as values: by path, when the model is built, instead of the tags and annotations in its type.
///
///     remat::model<net, input, loss> model{{.checkpoints = {
///         remat::checkpoint_at("fc1"),                                     // one module
///         remat::checkpoint_at("blocks", remat::every<2>{}),               // under a policy
///         remat::checkpoint_at("features", remat::strategy::each{}),       // a sequential, child by child
///         remat::checkpoint_at("h", remat::strategy::at({"h.3", "h.7"})),  // a segment begins with each of these
///         remat::checkpoint_at("h.*.mlp"),                                 // the mlp of every block
///         remat::checkpoint_at("", remat::strategy::group<3>{})}}};        // the whole model, in threes
///
/// One compiled network so runs under every policy and strategy. `remat::checkpoints::none()` means no checkpoint at
/// all. In a path `*` matches any characters of one part of it. A module is annotated once; checkpoints of one module
/// within one another are one value:
///
///     remat::checkpoint_at("h", remat::strategy::group<4>{}).around(remat::strategy::each{})
#pragma once

#include <remat/core/checkpoint_setting.hpp>
#include <remat/core/error.hpp>
#include <remat/model/rules.hpp>
#include <remat/model/setting_rules.hpp>

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace remat {

namespace detail {

/// Throws `error` for a chain policy whose segments would be empty; of one without members, it does not compile.
template <Policy P>
policy_setting checked_policy(P policy) {
  static_assert(rules::where<(std::is_empty_v<P> && ChainPolicy<P>), rules::segment_has_links<P>>);
  policy_setting made(std::move(policy));
  if (made.links(1) < 1) throw error("a segment holds at least one child; give the policy links of 1 or more");
  return made;
}
template <Strategy S>
strategy::setting checked_strategy(S groups) {
  static_assert(rules::where<std::is_empty_v<S>, rules::group_has_members<S>>);
  strategy::setting made(std::move(groups));
  if (made.children() < 1) throw error("a group holds at least one child; give the strategy 1 or more");
  return made;
}

}  // namespace detail

struct checkpoint_at {
  std::string path;                          ///< as in parameter names, with `*`; empty: the whole model
  std::vector<checkpoint_setting> settings;  ///< the outermost first

  /// A number is no path: that of the first child is "0".
  template <class... More>
  checkpoint_at(std::nullptr_t, More&&...) = delete;
  /// Keeps the objects.
  template <Strategy S = strategy::contiguous, Policy P = recompute_all>
  explicit checkpoint_at(std::string module, S groups = {}, P policy = {}, storage_setting storage = {})
      : path(std::move(module)) {
    add(std::move(groups), std::move(policy), storage);
  }
  /// What `checkpoint<M, P, S>` says in the type.
  template <Policy P>
  checkpoint_at(std::string module, P policy, storage_setting storage = {})
      : checkpoint_at(std::move(module), strategy::contiguous{}, std::move(policy), storage) {}

  /// The same with one more checkpoint of the module inside of those that it has.
  template <Strategy S = strategy::contiguous, Policy P = recompute_all>
  checkpoint_at around(S groups = {}, P policy = {}, storage_setting storage = {}) const {
    checkpoint_at more = *this;
    more.add(std::move(groups), std::move(policy), storage);
    return more;
  }
  template <Policy P>
  checkpoint_at around(P policy, storage_setting storage = {}) const {
    return around(strategy::contiguous{}, std::move(policy), storage);
  }

 private:
  template <class S, class P>
  void add(S groups, P policy, storage_setting storage) {
    settings.push_back(
        {detail::checked_policy(std::move(policy)), detail::checked_strategy(std::move(groups)), storage});
  }
};

/// The checkpoints that a model is built with. By default they are the tags in its type.
class checkpoints {
 public:
  checkpoints() = default;
  /// These, instead of the tags.
  checkpoints(std::initializer_list<checkpoint_at> each) : values_(each) {}
  checkpoints(std::vector<checkpoint_at> each)  // NOLINT(google-explicit-constructor): a list is one
      : values_(std::move(each)) {}

  /// No checkpoint, whatever the tags say.
  static checkpoints none() { return std::vector<checkpoint_at>(); }

  /// One more, instead of the tags.
  void push_back(checkpoint_at each) {
    if (!values_) values_.emplace();
    values_->push_back(std::move(each));
  }

  /// Whether they replace the tags.
  bool replace_tags() const { return values_.has_value(); }
  std::size_t size() const { return values_ ? values_->size() : 0; }
  const checkpoint_at* begin() const { return values_ ? values_->data() : nullptr; }
  const checkpoint_at* end() const { return begin() + size(); }

 private:
  std::optional<std::vector<checkpoint_at>> values_;
};

}  // namespace remat
