// SPDX-License-Identifier: MIT
/// The laws of a model type, each one predicate with one message. Those of what a checkpoint is told are in
/// setting_rules.hpp, those of stages in stage_rules.hpp, those of what a layer declares in layer_rules.hpp.
///
/// A rule is pulled in with `static_assert(rule<...>::holds)`: the assertion inside it fails first and its arguments
/// name the types involved; `holds` itself is always true, so that one broken law gives one error.
#pragma once

#include <remat/core/module.hpp>
#include <remat/model/layout_mismatch.hpp>

#include <type_traits>

namespace remat::rules {

/// A rule where it applies. (`!applies || rule::holds` would pull the rule in either way.)
template <bool Applies, class Rule>
inline constexpr bool where = true;
template <class Rule>
inline constexpr bool where<true, Rule> = Rule::holds;

template <class M>
struct is_module {
  static constexpr bool holds = true;
  static_assert(
      !std::is_final_v<M>,
      "remat: a module is not `final`, since what it declares is looked for in a type that is derived from it; "
      "leave out the word");
  static_assert(
      std::is_final_v<M> || Layer<M> || Block<M>,
      "remat: every part of a model must be a module; derive it from remat::module and give it `kind`, `output` and "
      "`forward`, or a `body` (see remat/core/module.hpp)");
};

template <class M>
struct parameters_have_gradients {
  static constexpr bool holds = true;
  static_assert(
      requires { &M::backward_parameters; } || requires { &M::kernels::backward_parameters; },
      "remat: a module with parameters must have backward_parameters; give it one, or make them states");
};

template <class Name, bool IsPathPart>
struct name_is_part_of_a_path {
  static constexpr bool holds = true;
  static_assert(IsPathPart,
                "remat: a module's name must not be empty, a number, or hold a dot, since paths are made of names, "
                "positions and dots; choose another");
};

template <class M, class... Inputs>
struct neighbours_meet {
  static constexpr bool holds = true;
  static_assert(
      !detail::WantsImages<M, Inputs...>,
      "remat: this module takes images, and a tensor of three extents is none; declare the model's input as "
      "remat::image<float, C, H, W>, or let the layer before it give one (the arguments of neighbours_meet are the "
      "module and what it was given)");
  static_assert(
      !detail::WantsTensors<M, Inputs...> || detail::WantsImages<M, Inputs...>,
      "remat: this module takes tensors, and an image is none; declare the model's input as remat::tensor<float, ...>, "
      "or let the module's `output` take remat::image<float, C, H, W> (the arguments of neighbours_meet are the module "
      "and what it was given)");
  static_assert(
      Accepts<M, Inputs...> || detail::WantsImages<M, Inputs...> || detail::WantsTensors<M, Inputs...>,
      "remat: a module must accept what the module before it gives; change one of the two so that the shapes meet (the "
      "arguments of neighbours_meet are the module and what it was given)");
};

template <class M, class Given, class Taken>
struct repeated_gives_what_it_takes {
  static constexpr bool holds = true;
  static_assert(std::is_same_v<Given, Taken>,
                "remat: a repeated module must give what it takes; let its output have the shape of its input (the "
                "arguments of repeated_gives_what_it_takes are the module, what it gives and what it takes)");
};

template <class M, bool AreSame>
struct repeated_leaves_its_tags {
  static constexpr bool holds = true;
  static_assert(
      AreSame,
      "remat: a repeated module must leave tags of the shapes that it finds, from its second pass on; write the "
      "passes one after another where a tag grows");
};

template <class T, bool IsPerSample>
struct input_is_per_sample {
  static constexpr bool holds = true;
  static_assert(
      IsPerSample,
      "remat: inputs and targets have values for each sample, and remat::scalar and remat::per_batch are for a "
      "whole batch; declare one as remat::tensor<float>, and give its number with each sample");
};

template <class Join, bool IsKnown>
struct tag_comes_before {
  static constexpr bool holds = true;
  static_assert(IsKnown,
                "remat: a join must name a tag that comes before it; put remat::tag of this name earlier in the model");
};

template <class Shared, bool HasName>
struct shared_has_a_name {
  static constexpr bool holds = true;
  static_assert(HasName, "remat: modules are shared under a name that is not empty; give them one");
};

template <class Parallel, bool HasBranches>
struct parallel_has_branches {
  static constexpr bool holds = true;
  static_assert(HasBranches, "remat: parallel<Join, Branches...> has at least one branch; give it one");
};

template <class Residual, bool AddsTwo = false>
struct residual_adds_two {
  static constexpr bool holds = true;
  static_assert(AddsTwo,
                "remat: a residual adds one tensor of its body to one of its shortcut, and here are more; leave one of "
                "each with pick<...>, or give the residual a join of its own");
};

template <class Inlined, bool HasParts>
struct inlined_has_parts {
  static constexpr bool holds = true;
  static_assert(
      HasParts,
      "remat: inlined<M> makes the parts of M children of the module around it, and this M has none; take a "
      "sequential, a repeat, a residual or a parallel, or leave the word out; a name, a checkpoint, a `shared` or "
      "a join is around it: remat::named<\"x\", remat::inlined<M>>");
};

template <class Pick, bool IsThere>
struct picked_is_there {
  static constexpr bool holds = true;
  static_assert(IsThere, "remat: pick<I...> takes tensors by number, from 0; choose numbers that are there");
};

template <class Tensors>
struct tensors_are_few;
template <class... T>
struct tensors_are_few<tensors<T...>> {
  static constexpr bool holds = true;
  static_assert(sizeof...(T) <= kernel_call::max_tensors,
                "remat: at most 8 tensors pass between two modules; join them in groups, or give them as one tensor");
};

template <class Loss, class... Outputs>
struct loss_meets_output {
  static constexpr bool holds = true;
  static_assert(!detail::HasTargetOfImages<Loss, Outputs...>,
                "remat: this loss takes images, and a tensor of three extents is none; let the model end with "
                "remat::image<float, C, H, W> (the arguments of loss_meets_output are the loss and the output)");
  static_assert(
      detail::HasTarget<Loss, Outputs...> || detail::HasTargetOfImages<Loss, Outputs...>,
      "remat: the loss must accept the model's output; end the model with what the loss takes (the arguments of "
      "loss_meets_output are the loss and the output)");
};

template <class Loss, bool Counts>
struct loss_counts_its_targets {
  static constexpr bool holds = true;
  static_assert(Counts,
                "remat: what counts of a loss's targets is a number; declare it as static double counted(const "
                "remat::target_pass&)");
};

template <class Loss, bool IsScalar>
struct loss_is_a_scalar {
  static constexpr bool holds = true;
  static_assert(IsScalar,
                "remat: a loss gives one number for the whole batch; let its `output` be remat::scalar<float>");
};

}  // namespace remat::rules
