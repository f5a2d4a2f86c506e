// SPDX-License-Identifier: MIT
/// A program: what a model type lowers to. Arrays of values, without a template in sight.
///
///     operations   in execution order; each reads tensors and writes tensors
///     tensors      the inputs first, then what operations write; one producer, any number of readers
///     nodes        the tree of modules in preorder: paths, stages and checkpoints
///     parameters   in PyTorch's order
///
/// Everything after lowering (fusion, planning, execution) is ordinary code over these values, for `static_assert` and
/// for run time alike.
#pragma once

#include <remat/core/checkpoint_setting.hpp>
#include <remat/core/kernel_table.hpp>
#include <remat/core/list.hpp>
#include <remat/core/module.hpp>
#include <remat/core/none.hpp>
#include <remat/core/short_list.hpp>
#include <remat/core/tensor.hpp>
#include <remat/core/traits.hpp>
#include <remat/core/weight_names.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace remat {

/// A module in the tree. Its descendants follow it, up to `end`.
struct module_node {
  std::string_view name = {};  ///< as given by `named`; empty: its position is in the path
  int position = 0;            ///< among its siblings
  std::string_view kind = {};
  int parent = core::none;
  int end = 0;              ///< one past the last descendant
  int first = 0, last = 0;  ///< its operations, [first, last)
  int stage = 0;            ///< of its first operation
  /// What it computes with, where `computed_as` is around it; else as the module around it, or the model.
  std::optional<element> compute = {};
  int alike = 0;  ///< in an outline (model/module_pattern.hpp): the siblings after it that it represents
  bool is_sequential = false;
  std::string_view shared_as = {};                  ///< given by `shared`
  const weight_names* names = nullptr;              ///< of a block: what files call the weights inside
  core::list<checkpoint_setting> checkpoints = {};  ///< around this module, the outermost first

  /// Whether it is within one stage; of a sequential, each of its children.
  constexpr bool is_within_one_stage() const { return !checkpoints.empty() && checkpoints[0].is_within_one_stage(); }
  /// Whether it has a budget, which says what is inside of it.
  constexpr bool has_budget() const {
    for (const checkpoint_setting& each : checkpoints)
      if (each.policy.has_budget()) return true;
    return false;
  }
};

struct operation {
  static constexpr std::size_t max_tensors = kernel_call::max_tensors;

  std::string_view kind = {};
  const kernel_table* kernels = nullptr;
  /// Those that use its states in training, too, and leave them as they are; null: it has none. Where its parameters
  /// are frozen, the second.
  const kernel_table *kernels_on_kept_states = nullptr, *frozen_kernels_on_kept_states = nullptr;
  const void* attributes = nullptr;
  std::string_view type = {};  ///< the module's, as the compiler spells it: it holds what its arguments say
  int node = 0;
  int stage = 0;
  int occurrence = 0;  ///< names its random numbers; fusion does not change it
  core::short_list<int, max_tensors> inputs = {}, outputs = {}, saved = {};
  int first_parameter = 0, parameters = 0;
  int first_state = 0, states = 0;
  reads backward_input_reads = {}, backward_parameters_reads = {};
  double flops = 0;                    ///< of the forward pass, for one sample
  std::size_t table_bytes = 0;         ///< that its kernels keep outside of the arena (plan/table_bytes.hpp)
  element compute = element::float32;  ///< what its kernels compute with (plan/compute_type.hpp)
  /// What else its kernels do (no null check of theirs is constant to UBSan).
  bool updates_state = false, has_joint_backward = false;
  bool joint_backward_on_kept_states = false;
  bool frozen = false;        ///< its parameters have no gradients
  bool keeps_states = false;  ///< of those that have kernels for it
  traits is = {};
  activation activation_after = activation::none;  ///< forward applies it to its output
  activation gradient_through = activation::none;  ///< before backward, its output's gradient goes back through it

  constexpr bool trains() const { return parameters > 0 && !frozen; }
  /// Whether no other input is the first one's tensor again, which would change under its reader.
  constexpr bool reads_first_input_once() const {
    for (int k = 1; k < inputs.size; ++k)
      if (inputs.values[k] == inputs.values[0]) return false;
    return true;
  }
  constexpr bool may_overwrite_input() const { return is.in_place && reads_first_input_once(); }
};

struct parameter_slot {
  parameter declared = {};
  int node = 0;
  int owner = 0;  ///< the slot whose values it uses: itself, or the first one that is `shared` with it
};

/// What the checkpoints of a stage keep, instead of what they say.
struct stage_policy {
  int stage = 0;
  policy_setting policy = {};
};

struct program {
  core::list<tensor_shape> tensors = {};
  core::list<int> producers = {};  ///< of each tensor; `none` for an input
  /// Of the gradient of each tensor, where operations compute with another type than float32; empty: all float32.
  core::list<element> gradient_types = {};
  element compute = element::float32;  ///< what modules compute with that say nothing themselves
  core::list<operation> operations = {};
  core::list<module_node> nodes = {};
  core::list<parameter_slot> parameters = {};
  core::list<parameter_slot> states = {};                        ///< what modules remember and nobody trains
  int inputs = 0;                                                ///< the first tensors
  int targets = 0;                                               ///< of these, how many at the end are the loss's
  core::short_list<int, kernel_call::max_tensors> outputs = {};  ///< what the model gives, before any loss
  int loss = core::none;                                         ///< the loss's tensor
  /// How much of the targets counts in the loss, a mean; null: the samples.
  double (*counted)(const target_pass&) = nullptr;
  bool input_gradients = false;                  ///< backward goes on to the model's inputs of float
  core::list<stage_policy> stage_policies = {};  ///< at most one for each stage
  bool inputs_enter_first = false;               ///< stage 0 alone is given the inputs, and sends them on

  constexpr int add_tensor(const tensor_shape& shape, int producer) {
    tensors.push_back(shape);
    producers.push_back(producer);
    return tensors.count() - 1;
  }

  constexpr element gradient_type(int t) const { return gradient_types.empty() ? tensors[t].type : gradient_types[t]; }
  /// Of a tensor, or of its gradient.
  constexpr std::size_t bytes_of(int t, bool gradient, std::size_t batch) const {
    return tensors[t].elements(batch) * size_of(gradient ? gradient_type(t) : tensors[t].type);
  }
};

/// The path of a module: names and positions, joined by dots; the root's path is empty. What PyTorch calls it too.
inline std::string path_of(const program& p, int n) {
  std::string path;
  for (; n > 0; n = p.nodes[n].parent) {
    const std::string part =
        p.nodes[n].name.empty() ? std::to_string(p.nodes[n].position) : std::string(p.nodes[n].name);
    path = path.empty() ? part : part + '.' + path;
  }
  return path;
}

/// A module in a sentence: "'h.3'", or "the model", whose path is empty.
inline std::string quoted_path(const std::string& path) { return path.empty() ? "the model" : "'" + path + "'"; }
inline std::string quoted_path(const program& p, int n) { return quoted_path(path_of(p, n)); }
/// A module in a table: h.3, or "model", whose path is empty.
inline std::string shown_path(const program& p, int n) {
  const std::string path = path_of(p, n);
  return path.empty() ? "model" : path;
}
/// An operation in a table: "h.3.fc linear".
inline std::string shown_operation(const program& p, const operation& o) {
  return shown_path(p, o.node) + " " + std::string(o.kind);
}

/// Whether that is the path of node n.
constexpr bool has_path(const program& p, int n, std::string_view path) {
  while (n > 0) {
    const module_node& here = p.nodes[n];
    int rest = here.position;
    if (!here.name.empty()) {
      if (!path.ends_with(here.name)) return false;
      path.remove_suffix(here.name.size());
    } else {
      do {
        if (path.empty() || path.back() != '0' + rest % 10) return false;
        path.remove_suffix(1);
        rest /= 10;
      } while (rest > 0);
    }
    n = here.parent;
    if (n <= 0) break;
    if (path.empty() || path.back() != '.') return false;
    path.remove_suffix(1);
  }
  return path.empty();
}

/// The node at a path, or `none`.
constexpr int find_node(const program& p, std::string_view path) {
  for (int n = 0; n < p.nodes.count(); ++n)
    if (has_path(p, n, path)) return n;
  return core::none;
}

/// The path of a parameter: "conv1.weight".
inline std::string parameter_path(const program& p, const parameter_slot& slot) {
  const std::string module = path_of(p, slot.declared.is_of_parent ? p.nodes[slot.node].parent : slot.node);
  return module.empty() ? std::string(slot.declared.name) : module + '.' + std::string(slot.declared.name);
}

/// An operation that shares a parameter with a frozen one is frozen, too.
constexpr void spread_frozen(program& p) {
  core::list<int> is_frozen(p.parameters.size());
  for (bool changed = true; changed;) {
    changed = false;
    for (operation& o : p.operations)
      for (int k = 0; k < o.parameters; ++k) {
        int& owner = is_frozen[p.parameters[o.first_parameter + k].owner];
        if (o.frozen == (owner != 0)) continue;
        o.frozen = changed = true;
        owner = 1;
      }
  }
}

}  // namespace remat
