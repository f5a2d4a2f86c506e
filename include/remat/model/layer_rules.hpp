// SPDX-License-Identifier: MIT
/// The laws of what a layer declares about itself: facts, saved tensors, FLOPs. What nothing would read is an error
/// (rules.hpp has the laws of how modules are composed, and says how a rule is written).
#pragma once

#include <remat/core/declared_names.hpp>
#include <remat/core/module.hpp>

namespace remat::rules {

template <class M>
struct facts_are_one_value {
  static constexpr bool holds = true;
  static_assert(!detail::DeclaresFacts<M>,
                "remat: the facts about a module are one value, and nothing reads them as members; write `static "
                "constexpr remat::traits is{.in_place = true};`, or a function `is(X)` of the inputs (see "
                "remat/core/traits.hpp)");
};

template <class M>
struct is_gives_traits {
  static constexpr bool holds = true;
  static_assert(
      detail::HasTraits<M>,
      "remat: what a module `is` must be remat::traits, for all inputs that it accepts; write `static constexpr "
      "remat::traits is{...};`, or a public function `is(X)` that gives one and takes what `output` takes");
};

/// M says what it is, as a value or a function.
template <class M>
concept HasOwnFacts = detail::DeclaresFacts<M> || !requires {
  requires& M::is == &module::is;
};

template <class M>
struct block_has_no_facts {
  static constexpr bool holds = true;
  static_assert(!HasOwnFacts<M>,
                "remat: a module with a body computes nothing itself, and no facts about it are read; give them to the "
                "layers of its body");
};

template <class Kernels>
struct kernels_have_no_facts {
  static constexpr bool holds = true;
  static_assert(Module<Kernels>,
                "remat: facts are those of a module, and nothing reads them among its kernels; move `static constexpr "
                "remat::traits is{...};` to the module");
};

template <class M>
struct saved_is_a_shape {
  static constexpr bool holds = true;
  static_assert(
      !detail::DeclaresSavedOutput<M>,
      "remat: what forward saves for backward is declared by `saved_shape(inputs...)`; rename `saved_output`");
};

template <class M>
struct flops_takes_all_shapes {
  static constexpr bool holds = true;
  static_assert(
      !detail::DeclaresFlops<M>,
      "remat: `flops` takes the shapes of all inputs and of all outputs; declare it as static constexpr double "
      "flops(remat::tensor_shapes inputs, remat::tensor_shapes outputs)");
};

}  // namespace remat::rules
