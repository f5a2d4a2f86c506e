// SPDX-License-Identifier: MIT
/// Lowering, the only templates over the model: what is lowered where, and layers. Modules that hold others are in
/// lowered_chain.hpp, lowered_branches.hpp, lowered_tags.hpp, lowered_wrappers.hpp and lowered_annotation.hpp.
///
/// `lowered<M, Inputs, Context, Scope>` is module M after `Inputs`: its `output` as a type, the context `after` it,
/// and `emit`, which writes it down as values. After a broken law the output is `broken`, and later laws are vacuous.
#pragma once

#include <remat/model/emission.hpp>
#include <remat/model/layer_rules.hpp>
#include <remat/model/rules.hpp>
#include <remat/model/stage_rules.hpp>

#include <type_traits>

namespace remat::detail {

struct broken {};

/// The `width_of_parts` of what is around a module: the parts alone would be less than it is (without the tag's
/// tensors, the name, the checkpoint), and since this is no number, `inlined` refuses it.
using more_than_parts = void;

/// The module before the first.
struct start {};

template <class T>
struct as_tensors {
  using type = tensors<T>;
};
template <class... T>
struct as_tensors<tensors<T...>> {
  using type = tensors<T...>;
};

/// What has come before: the last numbered module, and the tags.
template <class Before, class... Tags>
struct context {
  using before = Before;
  template <class Next>
  using at = context<Next, Tags...>;
};

/// What holds all around: the innermost stage number (or none), whether the next module outwards is a checkpoint,
/// whether parameters are frozen, and whether states are kept.
template <int Number, bool Checked, bool Frozen, bool Keeps>
struct scope {
  static constexpr int number = Number;
  static constexpr bool checked = Checked, frozen = Frozen, keeps = Keeps;
  template <int N>
  using on = scope<N, Checked, Frozen, Keeps>;
  template <bool C>
  using within = scope<Number, C, Frozen, Keeps>;
  using froze = scope<Number, Checked, true, Keeps>;
  using kept = scope<Number, Checked, Frozen, true>;
};

/// Nothing of the model is emitted after a broken law.
template <class Context>
struct nothing {
  using output = broken;
  using after = Context;
  static constexpr int first_stage = core::none;
  static constexpr int width = 1;  // how many children it is of the module around it
  static constexpr edge emit(emission&, const edge& in, const label&) { return in; }
};

template <class M, class Inputs, class Context, class Scope>
struct lowered : nothing<Context> {
  static_assert(rules::is_module<M>::holds);
};

template <class M, class Context, class Scope>
struct lowered<M, broken, Context, Scope> : nothing<Context> {};

/// A layer: one operation.
template <class M, class... In, class Context, class Scope>
  requires Layer<M>
struct lowered<M, tensors<In...>, Context, Scope> {
  using before = typename Context::before;
  static constexpr int first_stage = Scope::number == core::none ? before::stage : Scope::number;
  static constexpr int width = 1;
  static_assert(rules::stage_numbers_rise<before, placed<first_stage, M>>::holds);
  static_assert(rules::neighbours_meet<M, In...>::holds);
  static_assert(rules::where<requires { M::parameters; }, rules::parameters_have_gradients<M>>);
  static_assert(rules::where<DeclaresFacts<M>, rules::facts_are_one_value<M>>);
  static_assert(rules::where<(!HasTraits<M> && !HasTraitsOf<M, In...>), rules::is_gives_traits<M>>);
  static_assert(rules::where<DeclaresSavedOutput<M>, rules::saved_is_a_shape<M>>);
  using after =
      typename Context::template at<std::conditional_t<first_stage == before::stage, before, placed<first_stage, M>>>;

  static constexpr bool accepted = Accepts<M, In...>;
  template <bool, class Layer_>
  struct result {
    using type = broken;
  };
  template <class Layer_>
  struct result<true, Layer_> {
    using type = typename as_tensors<output_of<Layer_, In...>>::type;
  };
  using output = typename result<accepted, M>::type;

  static constexpr edge emit(emission& e, const edge& in, const label& l) {
    program& p = e.made;
    const int n = open_node(e, l, M::kind, false, first_stage);
    operation o = operation_of<M, Scope::frozen>();
    o.keeps_states = Scope::keeps && o.kernels_on_kept_states != nullptr;
    o.node = n;
    o.stage = first_stage;
    o.occurrence = p.operations.count();
    o.inputs = in;
    if constexpr (HasTraitsOf<M, In...>) o.is = M::is(In{}...);
    if constexpr (accepted) {
      const tensor_shape given[] = {shape_of<In>::value...};
      add_outputs(p, o.outputs, output{});
      o.flops = flops_per_sample<M>({given, sizeof...(In)},
                                    {&p.tensors[o.outputs[0]], static_cast<std::size_t>(o.outputs.size)});
      if constexpr (requires { M::table_bytes(tensor_shapes{}); })
        o.table_bytes = M::table_bytes({given, sizeof...(In)});
      if constexpr (requires { M::saved_shape(In{}...); })
        add_outputs(p, o.saved, typename as_tensors<decltype(M::saved_shape(In{}...))>::type{});
      require_there(o);
    }
    o.first_parameter = p.parameters.count();
    if constexpr (requires { M::parameters; }) o.parameters = add_slots(p.parameters, M::parameters, n);
    o.first_state = p.states.count();
    if constexpr (requires { M::states; }) o.states = add_slots(p.states, M::states, n);
    p.operations.push_back(o);
    close_node(p, n);
    return o.outputs;
  }
};

}  // namespace remat::detail
