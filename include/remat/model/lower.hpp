// SPDX-License-Identifier: MIT
/// Lowering: a model type, an input type and a loss type become a program.
///
/// This is the only template over the model. It follows the modules in order, checks each law where it can be broken,
/// and emits operations as values. After a broken law the output is `broken`, and later laws are vacuous.
#pragma once

#include <remat/model/checkpoint.hpp>
#include <remat/model/named.hpp>
#include <remat/model/on_stage.hpp>
#include <remat/model/program.hpp>
#include <remat/model/rules.hpp>
#include <remat/model/sequential.hpp>

#include <cstddef>
#include <type_traits>

namespace remat {

/// No loss: the model gives outputs.
struct no_loss {};

namespace detail {

struct broken {};

/// Stands for the module before the first.
struct start {};

template <class T>
struct as_tensors {
  using type = tensors<T>;
};
template <class... T>
struct as_tensors<tensors<T...>> {
  using type = tensors<T...>;
};

using edge = few<int, operation::max_tensors>;

/// What a module is told by those around it.
struct label {
  int parent = none;
  int position = 0;
  std::string_view name = {};
  few<checkpoint_setting, 4> checkpoints = {};
};

constexpr int open_node(program& p, const label& l, std::string_view kind, bool is_sequential, int stage) {
  node n;
  n.name = l.name;
  n.position = l.position;
  n.kind = kind;
  n.parent = l.parent;
  n.first = p.operations.count();
  n.stage = stage;
  n.is_sequential = is_sequential;
  n.checkpoints = l.checkpoints;
  p.nodes.push_back(n);
  return p.nodes.count() - 1;
}
constexpr void close_node(program& p, int n) {
  p.nodes[n].last = p.operations.count();
  p.nodes[n].end = p.nodes.count();
}

template <class... T>
constexpr void add_outputs(program& p, few<int, operation::max_tensors>& slots, tensors<T...>) {
  (slots.push_back(p.add_tensor(shape_of<T>::value, p.operations.count())), ...);
}

template <class M>
constexpr double flops_per_sample(const tensor_shape& input, const tensor_shape& output) {
  if constexpr (requires { M::flops(input, output); }) return M::flops(input, output);
  return static_cast<double>(output.elements());
}

/// A null pointer to the type that has the kernels of M.
template <class M>
constexpr auto kernels_type() {
  if constexpr (requires { typename M::kernels; })
    return static_cast<typename M::kernels*>(nullptr);
  else
    return static_cast<M*>(nullptr);
}
template <class M>
constexpr const kernel_table* kernels_of() {
  return &kernel_table_of<std::remove_pointer_t<decltype(kernels_type<M>())>>;
}

constexpr bool is_part_of_a_path(std::string_view name) {
  bool is_number = true;
  for (char c : name) {
    if (c == '.') return false;
    is_number = is_number && c >= '0' && c <= '9';
  }
  return !is_number;
}

/// Everything about a layer that does not depend on its neighbours.
template <class M>
constexpr operation operation_of() {
  operation o;
  o.kind = M::kind;
  o.kernels = kernels_of<M>();
  using kernels = std::remove_pointer_t<decltype(kernels_type<M>())>;
  o.packs = requires { &kernels::pack; };
  o.updates_state = requires { &kernels::update_state; };
  if constexpr (requires { M::attributes; }) o.attributes = &M::attributes;
  if constexpr (requires { M::backward_input_reads; }) o.backward_input_reads = M::backward_input_reads;
  if constexpr (requires { M::backward_parameters_reads; }) o.backward_parameters_reads = M::backward_parameters_reads;
  if constexpr (requires { M::in_place; }) o.in_place = M::in_place;
  if constexpr (requires { M::fuses_relu; }) o.fuses_relu = M::fuses_relu;
  if constexpr (requires { M::commutes_with_relu; }) o.commutes_with_relu = M::commutes_with_relu;
  if constexpr (requires { M::is_relu; }) o.is_relu = M::is_relu;
  return o;
}

/// Module M behind `Inputs`; `Before` is the last numbered module, `Number` the innermost number around M (or none),
/// and `Checked` says that a checkpoint stands directly around M.
template <class M, class Inputs, class Before, int Number, bool Checked>
struct lowered {
  static_assert(rules::is_module<M>::holds);
  using output = broken;
  using after = Before;
  static constexpr int first_stage = none;
  static constexpr edge emit(program&, const edge& in, const label&) { return in; }
};

template <class M, class Before, int Number, bool Checked>
struct lowered<M, broken, Before, Number, Checked> {
  using output = broken;
  using after = Before;
  static constexpr int first_stage = none;
  static constexpr edge emit(program&, const edge& in, const label&) { return in; }
};

/// A layer: one operation.
template <class M, class... In, class Before, int Number, bool Checked>
  requires Layer<M>
struct lowered<M, tensors<In...>, Before, Number, Checked> {
  static constexpr int first_stage = Number == none ? Before::stage : Number;
  static_assert(rules::stage_numbers_rise<Before, placed<first_stage, M>>::holds);
  static_assert(rules::neighbours_meet<M, In...>::holds);
  static_assert(rules::where<requires { M::parameters; }, rules::parameters_have_gradients<M>>);
  using after = std::conditional_t<first_stage == Before::stage, Before, placed<first_stage, M>>;

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

  static constexpr edge emit(program& p, const edge& in, const label& l) {
    const int n = open_node(p, l, M::kind, false, first_stage);
    operation o = operation_of<M>();
    o.node = n;
    o.stage = first_stage;
    o.occurrence = p.operations.count();
    o.inputs = in;
    if constexpr (requires { M::template in_place_for<In...>; }) o.in_place = M::template in_place_for<In...>;
    if constexpr (accepted) {
      add_outputs(p, o.outputs, output{});
      if constexpr (requires { M::saved_output(In{}...); })
        add_outputs(p, o.saved, typename as_tensors<decltype(M::saved_output(In{}...))>::type{});
      o.flops = flops_per_sample<M>(p.tensors[o.inputs[0]], p.tensors[o.outputs[0]]);
    }
    o.first_parameter = p.parameters.count();
    if constexpr (requires { M::parameters; }) {
      for (const parameter& declared : M::parameters) p.parameters.push_back({declared, n});
      o.parameters = static_cast<int>(M::parameters.size());
    }
    o.first_state = p.states.count();
    if constexpr (requires { M::states; }) {
      for (const parameter& declared : M::states) p.states.push_back({declared, n});
      o.states = static_cast<int>(M::states.size());
    }
    p.operations.push_back(o);
    close_node(p, n);
    return o.outputs;
  }
};

/// Modules one after another. Eight to an instantiation, so that 500 of them stay within the compilers' default depth.
template <class Inputs, class Before, int Number, bool Checked, class... M>
struct chain {
  using output = Inputs;
  using after = Before;
  static constexpr int first_stage = none;
  static constexpr edge emit(program&, const edge& in, int, int) { return in; }
};

template <class M, class Inputs, class Before, int Number, bool Checked>
struct link : lowered<M, Inputs, Before, Number, false> {
  using base = lowered<M, Inputs, Before, Number, false>;
  using where_it_lies = stages<base::first_stage, base::after::stage>;
  static_assert(
      rules::where<(Checked && base::first_stage != none), rules::checkpointed_child_in_one_stage<M, where_it_lies>>);
};

template <class Inputs, class Before, int Number, bool Checked, class M, class... Rest>
struct chain<Inputs, Before, Number, Checked, M, Rest...> {
  using head = link<M, Inputs, Before, Number, Checked>;
  using tail = chain<typename head::output, typename head::after, Number, Checked, Rest...>;
  using output = typename tail::output;
  using after = typename tail::after;
  static constexpr int first_stage = head::first_stage != none ? head::first_stage : tail::first_stage;
  static constexpr edge emit(program& p, const edge& in, int parent, int position) {
    return tail::emit(p, head::emit(p, in, {parent, position}), parent, position + 1);
  }
};

template <class Inputs, class Before, int Number, bool Checked, class A, class B, class C, class D, class E, class F,
          class G, class H, class... Rest>
struct chain<Inputs, Before, Number, Checked, A, B, C, D, E, F, G, H, Rest...> {
  using head = chain<Inputs, Before, Number, Checked, A, B, C, D, E, F, G>;
  using eighth = link<H, typename head::output, typename head::after, Number, Checked>;
  using tail = chain<typename eighth::output, typename eighth::after, Number, Checked, Rest...>;
  using output = typename tail::output;
  using after = typename tail::after;
  static constexpr int first_stage = head::first_stage != none     ? head::first_stage
                                     : eighth::first_stage != none ? eighth::first_stage
                                                                   : tail::first_stage;
  static constexpr edge emit(program& p, const edge& in, int parent, int position) {
    const edge seven = head::emit(p, in, parent, position);
    return tail::emit(p, eighth::emit(p, seven, {parent, position + 7}), parent, position + 8);
  }
};

template <class... M, class... In, class Before, int Number, bool Checked>
struct lowered<sequential<M...>, tensors<In...>, Before, Number, Checked> {
  using children = chain<tensors<In...>, Before, Number, Checked, M...>;
  using output = typename children::output;
  using after = typename children::after;
  static constexpr int first_stage = children::first_stage;
  static constexpr edge emit(program& p, const edge& in, const label& l) {
    const int n = open_node(p, l, "sequential", true, first_stage == none ? Before::stage : first_stage);
    const edge out = children::emit(p, in, n, 0);
    close_node(p, n);
    return out;
  }
};

/// The children of a block's body are the block's own children.
template <class Body, class Inputs, class Before, int Number>
struct body : chain<Inputs, Before, Number, false, Body> {};
template <class... M, class Inputs, class Before, int Number>
struct body<sequential<M...>, Inputs, Before, Number> : chain<Inputs, Before, Number, false, M...> {};

template <class M, class... In, class Before, int Number, bool Checked>
  requires Block<M>
struct lowered<M, tensors<In...>, Before, Number, Checked> {
  using children = body<typename M::body, tensors<In...>, Before, Number>;
  using output = typename children::output;
  using after = typename children::after;
  static constexpr int first_stage = children::first_stage;
  using where_it_lies = stages<first_stage, after::stage>;
  static_assert(rules::where<(Checked && first_stage != none), rules::checkpoint_in_one_stage<M, where_it_lies>>);
  static constexpr edge emit(program& p, const edge& in, const label& l) {
    std::string_view kind = "block";
    if constexpr (requires { M::kind; }) kind = M::kind;
    const int n = open_node(p, l, kind, false, first_stage == none ? Before::stage : first_stage);
    const edge out = children::emit(p, in, n, 0);
    close_node(p, n);
    return out;
  }
};

template <fixed_string Name, class M, class... In, class Before, int Number, bool Checked>
struct lowered<named<Name, M>, tensors<In...>, Before, Number, Checked>
    : lowered<M, tensors<In...>, Before, Number, Checked> {
  static_assert(rules::name_is_part_of_a_path<named<Name, M>, is_part_of_a_path(Name.view())>::holds);
  static constexpr edge emit(program& p, const edge& in, label l) {
    l.name = Name.view();
    return lowered<M, tensors<In...>, Before, Number, Checked>::emit(p, in, l);
  }
};

template <int Stage, class M, class... In, class Before, int Number, bool Checked>
struct lowered<on_stage<Stage, M>, tensors<In...>, Before, Number, Checked>
    : lowered<M, tensors<In...>, Before, (Stage >= 0 ? Stage : none), Checked> {
  static_assert(stage_number<Stage>::holds);
};

template <class M, class P, class S, class... In, class Before, int Number, bool Checked>
struct lowered<checkpoint<M, P, S>, tensors<In...>, Before, Number, Checked>
    : lowered<M, tensors<In...>, Before, Number, true> {
  static_assert(rules::is_policy<P>::holds);
  static_assert(rules::is_storage<S>::holds);
  static constexpr edge emit(program& p, const edge& in, label l) {
    if constexpr (Policy<P>) l.checkpoints.push_back(setting_of<P>);
    return lowered<M, tensors<In...>, Before, Number, true>::emit(p, in, l);
  }
};

/// Wrappers that a path does not show.
template <class M>
struct bare {
  using type = M;
};
template <fixed_string Name, class M>
struct bare<named<Name, M>> : bare<M> {};
template <int Stage, class M>
struct bare<on_stage<Stage, M>> : bare<M> {};

template <class M, class S, class P, class Storage_, class... In, class Before, int Number, bool Checked>
struct lowered<checkpoint_sequential<M, S, P, Storage_>, tensors<In...>, Before, Number, Checked>
    : lowered<M, tensors<In...>, Before, Number, true> {
  static_assert(rules::strategy_has_children<M, is_sequential<typename bare<M>::type>>::holds);
  static_assert(rules::is_strategy<S>::holds);
  static_assert(rules::where<Strategy<S>, rules::group_has_members<S>>);
  static_assert(rules::is_policy<P>::holds);
  static_assert(rules::is_storage<Storage_>::holds);
  static constexpr edge emit(program& p, const edge& in, label l) {
    if constexpr (Policy<P> && Strategy<S>) l.checkpoints.push_back(setting_of<P, S>);
    return lowered<M, tensors<In...>, Before, Number, true>::emit(p, in, l);
  }
};

template <class Loss, class Outputs>
struct targets_of {
  using type = broken;
};
template <class Loss, class... Outputs>
  requires requires { Loss::target(Outputs{}...); }
struct targets_of<Loss, tensors<Outputs...>> {
  using type = typename as_tensors<decltype(Loss::target(Outputs{}...))>::type;
};

template <class A, class B>
struct joined {
  using type = broken;
};
template <class... A, class... B>
struct joined<tensors<A...>, tensors<B...>> {
  using type = tensors<A..., B...>;
};

template <class Loss, class Outputs>
struct loss_rule {
  static constexpr bool holds = true;
};
template <class Loss, class... Outputs>
struct loss_rule<Loss, tensors<Outputs...>> : rules::loss_meets_output<Loss, Outputs...> {};

template <class... T>
constexpr int count_of(tensors<T...>) {
  return sizeof...(T);
}
constexpr int count_of(broken) { return 0; }

template <class... T>
constexpr void add_inputs(program& p, edge& in, tensors<T...>) {
  ((in.push_back(p.add_tensor(shape_of<T>::value, none)), ++p.inputs), ...);
}
constexpr void add_inputs(program&, edge&, broken) {}

template <class Net, class Input, class Loss>
struct lowering {
  using inputs = typename as_tensors<Input>::type;
  using net = lowered<Net, inputs, placed<0, start>, none, false>;
  using outputs = typename net::output;

  static constexpr program emit() {
    program p;
    edge in;
    add_inputs(p, in, inputs{});
    if constexpr (std::is_same_v<Loss, no_loss>) {
      p.outputs = net::emit(p, in, {});
    } else {
      using targets = typename targets_of<Loss, outputs>::type;
      static_assert(loss_rule<Loss, outputs>::holds);
      using loss = lowered<Loss, typename joined<outputs, targets>::type, typename net::after, none, false>;
      constexpr bool gives_a_scalar = std::is_same_v<typename loss::output, tensors<scalar<float>>>;
      constexpr bool is_broken = std::is_same_v<typename loss::output, broken>;
      static_assert(rules::loss_is_a_scalar<Loss, (gives_a_scalar || is_broken)>::holds);
      edge target;
      add_inputs(p, target, targets{});
      p.targets = count_of(targets{});
      p.outputs = net::emit(p, in, {});
      edge all = p.outputs;
      for (int t : target) all.push_back(t);
      label l;
      l.name = "loss";
      p.loss = loss::emit(p, all, l)[0];
    }
    return p;
  }
};

}  // namespace detail

/// The program of a model type; `Loss` may be `no_loss`.
template <class Net, class Input, class Loss = no_loss>
constexpr program lower() {
  return detail::lowering<Net, Input, Loss>::emit();
}

}  // namespace remat
