// SPDX-License-Identifier: MIT
/// How the children of a checkpointed sequential form segments: strategies, as tags in a type and as values.
///
/// | strategy                       | a segment                                                                     |
/// |--------------------------------|-------------------------------------------------------------------------------|
/// | `each`                         | is one child                                                                  |
/// | `each_if_sequential`           | is one child; of a module that is no sequential, all of it                    |
/// | `contiguous`                   | is all consecutive children on one stage                                      |
/// | `group<N>`, `groups{n}`        | is N children; grouping starts anew at each stage                             |
/// | `at({"h.3", "h.7"})`,          | begins with each of these modules, and at the start of each stage             |
/// | `boundaries<"h.3", "h.7">`     | (as `partition::at`)                                                          |
/// | a user's own                   | is as many children as its `children` says, or begins at its `paths`          |
///
/// The modules of `at` are children of the sequential, or of a sequential inside it, and in the program's order.
#pragma once

#include <remat/core/fixed_string.hpp>
#include <remat/core/list.hpp>
#include <remat/core/shared_constant.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat {
namespace strategy {

inline constexpr std::size_t unlimited = static_cast<std::size_t>(-1);

/// Every child is a segment of its own.
struct each {
  static constexpr std::size_t children = 1;
};
/// The same of a sequential; any other module is one segment: for paths that match both.
struct each_if_sequential {
  static constexpr std::size_t children = 1;
  static constexpr bool takes_any_module = true;
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
/// The same, of a number that is known when a model is built.
struct groups {
  std::size_t children;
};
/// A segment begins with each of these modules.
struct at {
  explicit at(std::vector<std::string> modules) : paths(std::move(modules)) {}

  std::vector<std::string> paths;
};
/// The same as a type.
template <fixed_string... Paths>
struct boundaries {
  static constexpr std::array<std::string_view, sizeof...(Paths)> paths{Paths.view()...};
};

}  // namespace strategy

/// A number of children at a time.
template <class T>
concept CountingStrategy = requires(const T& strategy) {
  { strategy.children } -> std::convertible_to<std::size_t>;
};
/// A number of children of a sequential; any other module is one segment.
template <class T>
concept LenientStrategy = T::takes_any_module;
/// Places where segments begin.
template <class T>
concept PlacingStrategy = requires(const T& strategy) {
  std::string_view(*strategy.paths.begin());
};

template <class T>
concept Strategy = CountingStrategy<T> || PlacingStrategy<T>;

namespace detail {

struct strategy_base {
  constexpr strategy_base() = default;
  strategy_base(const strategy_base&) = default;
  strategy_base& operator=(const strategy_base&) = delete;
  constexpr virtual ~strategy_base() = default;
  constexpr virtual std::size_t children() const = 0;
  constexpr virtual bool takes_any_module() const = 0;
  constexpr virtual core::list<std::string_view> paths() const = 0;
};

template <class S>
struct held_strategy final : strategy_base {
  constexpr explicit held_strategy(S strategy) : object(std::move(strategy)) {}
  constexpr ~held_strategy() override {}  // NOLINT(modernize-use-equals-default): g++ 12 wants it for constants

  constexpr std::size_t children() const override {
    if constexpr (CountingStrategy<S>)
      return object.children;
    else
      return strategy::unlimited;
  }
  constexpr bool takes_any_module() const override { return LenientStrategy<S>; }
  constexpr core::list<std::string_view> paths() const override {
    core::list<std::string_view> all;
    if constexpr (PlacingStrategy<S>)
      for (const auto& path : object.paths) all.push_back(std::string_view(path));
    return all;
  }

  S object;
};

}  // namespace detail

namespace strategy {

/// Any strategy, as a value.
class setting {
 public:
  /// `contiguous`.
  constexpr setting() : held_(detail::lasting<detail::held_strategy, contiguous>) {}
  /// Keeps the object.
  template <Strategy S>
  constexpr setting(S strategy)  // NOLINT(google-explicit-constructor): it is one
      : held_(held::template of<detail::held_strategy>(std::move(strategy))) {}
  /// What a tag says.
  template <Strategy S>
  static constexpr setting of_type() {
    return setting(held::template of_type<detail::held_strategy, S>());
  }

  /// How many are in a segment, at most.
  constexpr std::size_t children() const { return held_->children(); }
  /// A module that is no sequential may have it, too, and is one segment then.
  constexpr bool takes_any_module() const { return is_contiguous() || held_->takes_any_module(); }
  /// The modules with which segments begin.
  constexpr core::list<std::string_view> paths() const { return held_->paths(); }
  /// All that a stage has of the sequential is one segment.
  constexpr bool is_contiguous() const { return children() == unlimited && paths().empty(); }

 private:
  using held = shared_constant<detail::strategy_base>;

  constexpr explicit setting(held lasting) : held_(std::move(lasting)) {}

  held held_;
};

}  // namespace strategy
}  // namespace remat
