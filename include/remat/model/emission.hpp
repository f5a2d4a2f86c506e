// SPDX-License-Identifier: MIT
/// What lowering writes as it follows a model: nodes, operations, tensors and parameters, as values.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/module.hpp>
#include <remat/model/annotation.hpp>
#include <remat/model/layer_rules.hpp>
#include <remat/model/program.hpp>
#include <remat/model/rules.hpp>
#include <remat/model/uniform_chain.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace remat::detail {

/// The tensors between two modules.
using edge = core::short_list<int, operation::max_tensors>;

/// What a `tag` remembers.
struct remembered {
  std::string_view name = {};
  edge tensors = {};
};

struct emission {
  program made;
  core::list<remembered> tags;
  bool shares = false;                              ///< some module is `shared`
  core::list<checkpoint_setting> checkpoints = {};  ///< around the module that comes next, the outermost first
  /// Of the modules of a `repeat` two are written, the second for all that follow: what is asked of paths, names and
  /// stages needs no more (module_pattern.hpp).
  bool is_outline = false;
  core::list<annotated_module> annotated = {};  ///< in an outline

  constexpr void remember(std::string_view name, const edge& tensors) {
    for (remembered& r : tags)
      if (r.name == name) {
        r.tensors = tensors;
        return;
      }
    tags.push_back({name, tensors});
  }
  constexpr edge recall(std::string_view name) const {
    for (const remembered& r : tags)
      if (r.name == name) return r.tensors;
    return {};
  }
};

/// Annotates modules inside of node `top`, which may be `none`, or at it: then inside of its `outer` outermost
/// checkpoints.
constexpr void annotate(emission& e, int top, const siblings& inside, int outer, std::string_view pattern,
                        const checkpoint_setting& setting) {
  program& p = e.made;
  each_annotated(p, top, inside, pattern, [&](int n) {
    put_around(p.nodes[n], {&setting, 1}, n == top ? outer : 0);
    if (setting.policy.needs_uniform() && p.nodes[n].is_sequential) require_uniform_chain(p, n, setting.policy);
    if (e.is_outline) e.annotated.push_back({n, pattern});
  });
}

/// What a module is told by those around it.
struct label {
  int parent = core::none;
  int position = 0;
  std::string_view name = {};
  std::string_view shared_as = {};
  bool may_be_inlined = false;  ///< the one around it has counted its parts
  std::optional<element> compute = {};
};

constexpr int open_node(emission& e, const label& l, std::string_view kind, bool is_sequential, int stage) {
  program& p = e.made;
  module_node n;
  n.name = l.name;
  n.position = l.position;
  n.kind = kind;
  n.parent = l.parent;
  n.first = p.operations.count();
  n.stage = stage;
  n.is_sequential = is_sequential;
  n.shared_as = l.shared_as;
  n.compute = l.compute;
  if (!e.checkpoints.empty()) n.checkpoints = static_cast<core::list<checkpoint_setting>&&>(e.checkpoints);
  p.nodes.push_back(static_cast<module_node&&>(n));
  return p.nodes.count() - 1;
}
constexpr void close_node(program& p, int n) {
  p.nodes[n].last = p.operations.count();
  p.nodes[n].end = p.nodes.count();
}

/// Counts what passes between modules without one that makes it.
template <class... T>
constexpr void require_few(tensors<T...>) {
  if constexpr (sizeof...(T) > kernel_call::max_tensors) static_assert(rules::tensors_are_few<tensors<T...>>::holds);
}
template <class Broken>
constexpr void require_few(Broken) {}

constexpr edge together(edge a, const edge& b) {
  for (int t : b) a.push_back(t);
  return a;
}

template <class... T>
constexpr void add_inputs(program& p, edge& in, tensors<T...>) {
  ((in.push_back(p.add_tensor(shape_of<T>::value, core::none)), ++p.inputs), ...);
}

template <class... T>
constexpr void add_outputs(program& p, edge& slots, tensors<T...>) {
  if constexpr (sizeof...(T) > kernel_call::max_tensors) static_assert(rules::tensors_are_few<tensors<T...>>::holds);
  (slots.push_back(p.add_tensor(shape_of<T>::value, p.operations.count())), ...);
}

/// Throws `error` for a parameter of more elements than kernels count; in a constant expression, the compiler quotes
/// it.
constexpr const parameter& checked_parameter(const parameter& declared) {
  if (!are_few_elements(declared.extents, declared.rank))
    throw error("the parameter '" + std::string(declared.name) + "' has more than 2^31 - 1 elements; make it smaller");
  return declared;
}

template <class Slots>
constexpr int add_slots(core::list<parameter_slot>& all, const Slots& declared, int n) {
  for (const parameter& each : declared) all.push_back({checked_parameter(each), n, all.count()});
  return static_cast<int>(declared.size());
}

template <class M>
constexpr double flops_per_sample(tensor_shapes inputs, tensor_shapes outputs) {
  constexpr bool takes_all = requires { M::flops(inputs, outputs); };
  static_assert(rules::where<(DeclaresFlops<M> && !takes_all), rules::flops_takes_all_shapes<M>>);
  if constexpr (takes_all) return M::flops(inputs, outputs);
  return static_cast<double>(outputs[0].elements());
}

/// Throws `error` where backward reads a tensor that is not there. (`reads::inputs` and the like name those that are.)
constexpr void require_there(const operation& o) {
  const reads &a = o.backward_input_reads, &b = o.backward_parameters_reads;
  const int in = a.input_bits | b.input_bits, out = a.output_bits | b.output_bits, saved = a.saved_bits | b.saved_bits;
  const bool inputs = in == 0xff || in >> o.inputs.size == 0, outputs = out == 0xff || out >> o.outputs.size == 0;
  if (inputs && outputs && (saved == 0xff ? o.saved.size > 0 : saved >> o.saved.size == 0)) return;
  throw error("backward reads a tensor that is not there: the module '" + std::string(o.kind) + "' has " +
              std::to_string(!inputs    ? o.inputs.size
                             : !outputs ? o.outputs.size
                                        : o.saved.size) +
              (!inputs    ? " inputs"
               : !outputs ? " outputs"
                          : " saved tensors") +
              ", counted from 0, and says that it reads another; `saved_shape(inputs...)` declares what forward saves");
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
using kernels_of = std::remove_pointer_t<decltype(kernels_type<M>())>;

/// Facts of a module among its kernels, where these are apart from it.
template <class Kernels>
concept HasFactsOfAModule =
    !Module<Kernels> && (HasTraits<Kernels> || requires { Kernels::divides_by_counted_in_batch; });

/// Everything about a layer that does not depend on its neighbours.
template <class M, bool Frozen>
constexpr operation operation_of() {
  using kernels = kernels_of<M>;
  static_assert(rules::where<HasFactsOfAModule<kernels>, rules::kernels_have_no_facts<kernels>>);
  operation o;
  o.kind = M::kind;
  o.kernels = &kernel_table_of<kernels, Frozen>;
  o.type = __PRETTY_FUNCTION__;
  o.updates_state = requires { &kernels::update_state; };
  o.has_joint_backward = !Frozen && requires { &kernels::backward; };
  o.frozen = Frozen;
  if constexpr (requires { typename M::kernels_on_kept_states; }) {
    o.kernels_on_kept_states = &kernel_table_of<typename M::kernels_on_kept_states, Frozen>;
    o.joint_backward_on_kept_states = requires { &M::kernels_on_kept_states::backward; };
    o.frozen_kernels_on_kept_states = &kernel_table_of<typename M::frozen_kernels_on_kept_states, true>;
  }
  if constexpr (requires { M::attributes; }) o.attributes = &M::attributes;
  if constexpr (requires { M::backward_input_reads; }) o.backward_input_reads = M::backward_input_reads;
  if constexpr (requires { M::backward_parameters_reads; }) o.backward_parameters_reads = M::backward_parameters_reads;
  if constexpr (HasTraits<M>) o.is = M::is;
  return o;
}

}  // namespace remat::detail
