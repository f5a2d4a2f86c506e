// SPDX-License-Identifier: MIT
/// The policies that are ready to use, in addition to `save_all` and `recompute_all`.
///
/// | policy                        | keeps between forward and backward                                            |
/// |-------------------------------|-------------------------------------------------------------------------------|
/// | `save_only<M...>`             | the outputs of operations of these kinds: matrix products, for example        |
/// | `recompute_only<M...>`        | everything but these                                                          |
/// | `save_named<"a", "b">`        | the outputs of the modules of these names                                     |
/// | `every<K>`                    | of a sequential, what passes between segments of K children                   |
/// | `square_root`                 | the same, K the root of the number of children, rounded up (Chen et al. 2016) |
/// | `revolve<Slots>`              | at most that many inputs of children at any time (core/revolve.hpp)           |
///
/// A kind is that of a module, whatever its sizes, or `kind<"conv2d">`. Each `kind` and each name must be that of a
/// module inside the checkpoint; of several module types at least one must be there. A fused activation belongs to the
/// operation that applies it. `every`, `square_root` and `revolve` bring segments of their own, instead of a
/// strategy's, and begin anew at each stage; the last segment, where it is on the last stage, is not recomputed, since
/// that would follow at once on its forward pass and save nothing (PyTorch's `checkpoint_sequential` does the same).
#pragma once

#include <remat/core/fixed_string.hpp>
#include <remat/core/module.hpp>
#include <remat/core/policy.hpp>
#include <remat/core/policy_search.hpp>
#include <remat/core/revolve.hpp>

#include <array>
#include <cstddef>
#include <string_view>

namespace remat {

/// All modules of a kind: `save_only<kind<"conv2d">, kind<"linear">>`.
template <fixed_string Kind>
struct kind {
  static constexpr std::string_view name = Kind.view();
};

namespace detail {

template <class M>
inline constexpr std::string_view kind_of = [] {
  constexpr bool is_module = requires { M::kind; };
  static_assert(is_module, "remat: save_only and recompute_only take modules, or remat::kind<\"...\">");
  if constexpr (is_module)
    return std::string_view(M::kind);
  else
    return std::string_view();
}();
template <fixed_string Kind>
inline constexpr std::string_view kind_of<kind<Kind>> = Kind.view();

template <class M>
constexpr sought_word word_of() {
  return {kind_of<M>, true, false};
}
template <class Kind>
  requires requires {
    []<fixed_string Name>(kind<Name>) {}(Kind{});
  }
constexpr sought_word word_of() { return {kind_of<Kind>, true, true}; }

}  // namespace detail

template <class... M>
struct save_only {
  static constexpr std::string_view policy_name = "save_only";
  static constexpr std::array<detail::sought_word, sizeof...(M)> seeks{detail::word_of<M>()...};
  static constexpr decision decide(const operation_view& o) {
    return ((o.kind == detail::kind_of<M>) || ...) ? decision::keep : decision::recompute;
  }
};

template <class... M>
struct recompute_only {
  static constexpr std::string_view policy_name = "recompute_only";
  static constexpr std::array<detail::sought_word, sizeof...(M)> seeks{detail::word_of<M>()...};
  static constexpr decision decide(const operation_view& o) {
    return ((o.kind == detail::kind_of<M>) || ...) ? decision::recompute : decision::keep;
  }
};

template <fixed_string... Names>
struct save_named {
  static constexpr std::string_view policy_name = "save_named";
  static constexpr std::array<detail::sought_word, sizeof...(Names)> seeks{
      detail::sought_word{Names.view(), false, true}...};
  static constexpr decision decide(const operation_view& o) {
    return ((o.name == Names.view()) || ...) ? decision::keep : decision::recompute;
  }
};

template <std::size_t K>
struct every : recompute_all {
  static constexpr std::string_view policy_name = "every";
  static constexpr std::size_t links(std::size_t) { return K; }
};

struct square_root : recompute_all {
  static constexpr std::string_view policy_name = "square_root";
  static constexpr std::size_t links(std::size_t children) {
    std::size_t root = 1;
    while (root * root < children) ++root;
    return root;
  }
};

}  // namespace remat
