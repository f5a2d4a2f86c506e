// SPDX-License-Identifier: MIT
/// Whether a module declares a member of some name, be it a value, a function or a template: what nothing would read,
/// and would be left out without a word, is an error instead.
#pragma once

#include <remat/core/traits.hpp>

namespace remat::detail {

/// M next to members of all names that are asked about: a name that M declares is ambiguous here. (One class for each
/// module, however many names.)
struct other_members : traits {
  int in_place_for, output, saved_output, flops, counted;
};
template <class M, bool IsFinal = __is_final(M)>  // std::is_final_v is one more instantiation for each module
struct with_other_members : M, other_members {};
/// Of what nothing can be derived from, nothing is known; rules::is_module refuses it.
template <class M>
struct with_other_members<M, true> : other_members {};

template <class M>
concept DeclaresOutput = !requires { &with_other_members<M>::output; };
template <class M>
concept DeclaresSavedOutput = !requires { &with_other_members<M>::saved_output; };
template <class M>
concept DeclaresFlops = !requires { &with_other_members<M>::flops; };
template <class M>
concept DeclaresCounted = !requires { &with_other_members<M>::counted; };

/// M has a fact as a member of its own.
template <class M>
concept DeclaresFacts = !requires {
  &with_other_members<M>::in_place;
  &with_other_members<M>::in_place_for;
  &with_other_members<M>::overwrites_input;
  &with_other_members<M>::acts_as;
  &with_other_members<M>::fuses;
  &with_other_members<M>::differentiates_activation;
  &with_other_members<M>::commutes_with_relu;
  &with_other_members<M>::skips_outputs;
  &with_other_members<M>::passes_gradient;
  &with_other_members<M>::divides_by_counted_in_batch;
  &with_other_members<M>::takes_bfloat16;
  &with_other_members<M>::gives_bfloat16;
  &with_other_members<M>::multiplies_bfloat16;
  &with_other_members<M>::computes_samples_apart;
};

/// T has facts under the name that is read.
template <class T>
concept HasTraits = requires(const traits*& value) { value = &T::is; };
template <class M, class... Inputs>
concept HasTraitsOf = requires(traits& value) { value = M::is(Inputs{}...); };

}  // namespace remat::detail
