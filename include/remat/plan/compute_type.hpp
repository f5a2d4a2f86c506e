// SPDX-License-Identifier: MIT
/// What each operation computes with, and of which type each tensor and each gradient is: decided before fusion, so
/// that fusion, plans and kernels all read one decision.
///
/// In a model that computes with bfloat16 (`computed_as<bfloat16, net>`, or `compute` of its options)
///
///   - an operation computes with it where its module can (`traits::takes_bfloat16`), others with float32;
///   - a tensor is of it where the operation that makes it gives it and all that read it take it. The stream that sums
///     of residual blocks make, and that they and the blocks read, stays float32, as do inputs, outputs and the loss;
///   - a factor of a product is of it: a float32 is rounded before (nn/rounded.hpp), where the first product reads it,
///     once for all: what is added up must not depend on checkpoints;
///   - the gradient of a tensor is of the tensor's type, but for those to which several readers add: these sums are of
///     float32, on all stages of a pipeline.
///
/// Parameters, their gradients, what layers save of rows, statistics, losses and optimizers stay float32 (Micikevicius
/// et al. 2018; Kalamkar et al. 2019).
#pragma once

#include <remat/core/list.hpp>
#include <remat/model/program.hpp>
#include <remat/nn/rounded.hpp>

namespace remat {
namespace detail {

/// What modules compute with, as the innermost `computed_as` around them says.
constexpr core::list<element> compute_types_of_nodes(const program& p) {
  core::list<element> found;
  for (const module_node& n : p.nodes)
    found.push_back(n.compute ? *n.compute : n.parent == core::none ? p.compute : found[n.parent]);
  return found;
}

/// Who reads a tensor.
struct tensor_readers {
  int count = 0;
  bool take_bfloat16 = true, have_sum = false;
};

constexpr core::list<tensor_readers> readers_of_tensors(const program& p) {
  core::list<tensor_readers> found(p.tensors.size());
  for (const operation& o : p.operations)
    for (const int t : o.inputs) {
      ++found[t].count;
      found[t].take_bfloat16 = found[t].take_bfloat16 && o.compute == element::bfloat16;
      found[t].have_sum = found[t].have_sum || o.is.passes_gradient;
    }
  for (const int t : p.outputs) found[t].take_bfloat16 = false;
  if (p.loss != core::none) found[p.loss].take_bfloat16 = false;
  return found;
}

constexpr void choose_tensor_types(program& p) {
  const core::list<tensor_readers> readers = readers_of_tensors(p);
  for (const operation& o : p.operations) {
    if (o.compute != element::bfloat16 || !o.is.gives_bfloat16) continue;
    for (const int t : o.outputs) {
      const tensor_readers& of = readers[t];
      const bool is_stream = of.have_sum && of.count > 1;
      if (p.tensors[t].type == element::float32 && of.count > 0 && of.take_bfloat16 && !is_stream)
        p.tensors[t].type = element::bfloat16;
    }
  }
}

/// Puts `rounded` before products that are given float32.
class factor_rounding {
 public:
  constexpr explicit factor_rounding(program& p) : p_(p), rounded_(p.tensors.size(), core::none) {}

  constexpr void run() {
    core::list<operation> given = static_cast<core::list<operation>&&>(p_.operations);
    p_.operations = {};
    core::list<int> moved;
    for (operation& o : given) {
      moved.push_back(p_.operations.count());
      if (o.compute == element::bfloat16 && o.is.multiplies_bfloat16)
        for (int k = 0; k < o.inputs.size; ++k) {
          int& t = o.inputs.values[k];
          if (p_.tensors[t].type == element::float32) t = rounded(t, o);
        }
      for (const int t : o.outputs) p_.producers[t] = p_.operations.count();
      for (const int t : o.saved) p_.producers[t] = p_.operations.count();
      p_.operations.push_back(o);
    }
    moved.push_back(p_.operations.count());
    for (module_node& n : p_.nodes) {
      n.first = moved[n.first];
      n.last = moved[n.last];
    }
  }

 private:
  /// Tensor t as bfloat16, for operation `reader`.
  constexpr int rounded(int t, const operation& reader) {
    if (rounded_[t] != core::none) return rounded_[t];
    tensor_shape shape = p_.tensors[t];
    shape.type = element::bfloat16;
    const int made = p_.add_tensor(shape, p_.operations.count());
    rounded_[t] = made;
    operation o;
    o.kind = nn::rounded::kind;
    o.kernels = &kernel_table_of<nn::rounded, false>;
    o.type = o.kind;
    o.node = reader.node;
    o.stage = reader.stage;
    o.occurrence = reader.occurrence;
    o.inputs.push_back(t);
    o.outputs.push_back(made);
    o.flops = static_cast<double>(shape.elements());
    o.compute = element::bfloat16;
    o.is = nn::rounded::is;
    p_.operations.push_back(o);
    return made;
  }

  program& p_;
  core::list<int> rounded_;  // of each tensor that was given, or `none`
};

constexpr void choose_gradient_types(program& p) {
  const core::list<tensor_readers> readers = readers_of_tensors(p);
  for (int t = 0; t < p.tensors.count(); ++t)
    p.gradient_types.push_back(p.tensors[t].type == element::bfloat16 && readers[t].count > 1 ? element::float32
                                                                                              : p.tensors[t].type);
}

}  // namespace detail

constexpr void choose_compute_type(program& p) {
  bool is_float32 = p.compute == element::float32;
  for (const module_node& n : p.nodes)
    is_float32 = is_float32 && n.compute.value_or(element::float32) == element::float32;
  if (is_float32) {
    for (operation& o : p.operations) o.compute = element::float32;
    return;
  }
  const core::list<element> of_nodes = detail::compute_types_of_nodes(p);
  for (operation& o : p.operations) o.compute = o.is.takes_bfloat16 ? of_nodes[o.node] : element::float32;
  detail::choose_tensor_types(p);
  detail::factor_rounding(p).run();
  detail::choose_gradient_types(p);
}

}  // namespace remat
