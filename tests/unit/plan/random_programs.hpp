// SPDX-License-Identifier: MIT
/// Random programs, built as values, whose kernels hash everything that they may read.
#pragma once

#include <remat/model/program.hpp>
#include <remat/run/executor.hpp>

#include <rapidcheck/catch.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace random_programs {

using remat::core::none, remat::operation, remat::program;

inline std::uint32_t mixed(std::uint32_t h, std::uint32_t v) { return (h ^ v) * 0x9e3779b1u + (h >> 15); }
template <class T>
std::uint32_t mixed(std::uint32_t h, std::span<const T> values) {
  for (const T& v : values) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &v, sizeof v);
    h = mixed(h, bits);
  }
  return h;
}
inline float number(std::uint32_t h, std::size_t i) {
  return static_cast<float>(mixed(h, static_cast<std::uint32_t>(i)) >> 8) * 0x1p-23f - 1;
}

/// What a kernel knows of its operation: the attributes.
struct traits {
  std::uint32_t name = 0;
  int inputs = 0, outputs = 0, saved = 0;
  remat::reads input_reads = {}, parameter_reads = {};
};

struct hashing {
  static void forward(const remat::forward_pass& pass) {
    const auto& t = pass.attributes<traits>();
    std::uint32_t h = mixed(t.name, pass.random().block(0)[0]);
    for (int i = 0; i < t.inputs; ++i) h = mixed(h, pass.input(i));
    for (int i = 0; i < t.outputs; ++i) {
      h = mixed(h, 1);
      for (std::size_t k = 0; k < pass.output(i).size(); ++k) pass.output(i)[k] = number(h, k);
    }
    for (int i = 0; i < t.saved; ++i) {
      h = mixed(h, 2);
      for (std::size_t k = 0; k < pass.saved(i).size(); ++k) pass.saved(i)[k] = number(h, k);
    }
  }
  static std::uint32_t read(const remat::backward_pass& pass, const traits& t, remat::reads r) {
    std::uint32_t h = mixed(t.name, pass.random().block(1)[0]);
    for (int i = 0; i < t.inputs; ++i)
      if (r.reads_input(i)) h = mixed(h, pass.input(i));
    for (int i = 0; i < t.outputs; ++i)
      if (r.reads_output(i)) h = mixed(h, pass.output(i));
    for (int i = 0; i < t.saved; ++i)
      if (r.reads_saved(i)) h = mixed(h, pass.saved(i));
    for (int i = 0; i < t.outputs; ++i)
      if (pass.has_output_gradient(i)) h = mixed(h, pass.output_gradient(i));
    return h;
  }
  static void backward_input(const remat::backward_pass& pass) {
    const auto& t = pass.attributes<traits>();
    std::uint32_t h = read(pass, t, t.input_reads);
    for (int i = 0; i < t.inputs; ++i) {
      h = mixed(h, 3);
      if (pass.wants_input_gradient(i)) pass.input_gradient(i).assign([=](std::size_t k) { return number(h, k); });
    }
  }
  static void backward_parameters(const remat::backward_pass& pass) {
    const auto& t = pass.attributes<traits>();
    const std::uint32_t h = read(pass, t, t.parameter_reads);
    pass.parameter_gradient(0).assign([=](std::size_t k) { return number(h, k); });
  }
};

struct random_program {
  program value;
  std::vector<std::unique_ptr<traits>> attributes;
};

inline int pick(int low, int high) { return *rc::gen::inRange(low, high); }
inline bool chance(int percent) { return pick(0, 100) < percent; }

inline remat::tensor_shape random_shape() {
  return {remat::element::float32, true, 1, {static_cast<std::size_t>(pick(1, 90))}};
}

/// Operations [first, last) as a node with random children.
inline void add_nodes(program& p, int parent, int position, int first, int last) {
  remat::module_node n;
  n.parent = parent;
  n.position = position;
  n.first = first;
  n.last = last;
  n.kind = "sequential";
  n.is_sequential = last - first > 1 && chance(85);
  const int mine = p.nodes.count();
  p.nodes.push_back(n);
  if (last - first > 1)
    for (int begin = first, child = 0; begin < last; ++child) {
      const int size = std::max(1, std::min(last - begin, pick(1, std::max(2, (last - first) * 2 / 3 + 1))));
      add_nodes(p, mine, child, begin, begin + std::min(size, last - first - 1));
      begin += std::min(size, last - first - 1);
    }
  else
    p.operations[first].node = mine;
  p.nodes[mine].end = p.nodes.count();
}

inline random_program make_program(int operations) {
  static constexpr const remat::kernel_table& kernels = remat::kernel_table_of<hashing>;
  random_program made;
  program& p = made.value;
  p.inputs = pick(1, 3);
  for (int i = 0; i < p.inputs; ++i) p.add_tensor(random_shape(), none);
  std::vector<int> unread;
  for (int i = 0; i < operations; ++i) {
    const bool is_last = i + 1 == operations;
    operation o;
    o.kind = chance(50) ? "even" : "odd";
    o.kernels = &kernels;
    o.occurrence = i;
    // Mostly a chain; sometimes back to an older tensor. The last operation is the loss and reads what nobody has read.
    if (is_last) {
      for (int t : unread)
        if (o.inputs.size < 6) o.inputs.push_back(t);
    }
    const int reads = o.inputs.size > 0 ? 0 : 1 + (chance(30) ? 1 : 0);
    for (int k = 0; k < reads; ++k) {
      const int t = chance(70) ? p.tensors.count() - 1 : pick(0, p.tensors.count());
      bool is_new =
          p.tensors[t].per_sample &&
          !(p.producers[t] != none && remat::core::short_list<int, 8>(p.operations[p.producers[t]].saved).size > 0 &&
            std::ranges::find(p.operations[p.producers[t]].saved, t) != p.operations[p.producers[t]].saved.end());
      for (int other : o.inputs) is_new = is_new && other != t;
      if (is_new) o.inputs.push_back(t);
    }
    if (o.inputs.size == 0) o.inputs.push_back(0);
    for (int t : o.inputs) std::erase(unread, t);
    const int outputs = is_last ? 1 : 1 + (chance(10) ? 1 : 0);
    for (int k = 0; k < outputs; ++k) {
      const bool keeps_shape = o.inputs.size == 1 && outputs == 1 && chance(60);
      remat::tensor_shape shape = keeps_shape ? p.tensors[o.inputs[0]] : random_shape();
      if (is_last) shape = {remat::element::float32, false, 0, {}};
      o.outputs.push_back(p.add_tensor(shape, i));
      unread.push_back(o.outputs[k]);
    }
    if (chance(25)) o.saved.push_back(p.add_tensor(random_shape(), i));
    o.is.in_place =
        o.inputs.size == 1 && outputs == 1 && p.tensors[o.inputs[0]] == p.tensors[o.outputs[0]] && chance(50);
    o.is.overwrites_input = chance(30);
    const auto random_reads = [&] {
      const auto bits = [](int percent) { return static_cast<std::uint8_t>(chance(percent) ? 0xff : 0); };
      return remat::reads{bits(40), bits(30), bits(70)};
    };
    o.backward_input_reads = random_reads();
    o.backward_parameters_reads = random_reads();
    if (!is_last && outputs == 1 && chance(15)) o.gradient_through = remat::activation::relu;
    if (!is_last && (i == 0 || chance(40))) {
      o.parameters = 1;
      o.first_parameter = p.parameters.count();
      p.parameters.push_back(
          {remat::parameter("w", {static_cast<std::size_t>(pick(1, 9))}, remat::initial::constant(0)), i,
           o.first_parameter});
    }
    made.attributes.push_back(
        std::make_unique<traits>(traits{static_cast<std::uint32_t>(i), o.inputs.size, o.outputs.size, o.saved.size,
                                        o.backward_input_reads, o.backward_parameters_reads}));
    o.attributes = made.attributes.back().get();
    p.operations.push_back(o);
  }
  p.loss = p.operations.back().outputs[0];
  add_nodes(p, none, 0, 0, operations - 1);
  remat::module_node loss;
  loss.first = operations - 1;
  loss.last = operations;
  loss.name = "loss";
  loss.end = p.nodes.count() + 1;
  p.operations.back().node = p.nodes.count();
  p.nodes.push_back(loss);
  return made;
}

struct keep_even {
  static constexpr remat::decision decide(const remat::operation_view& o) {
    return o.kind == "even" ? remat::decision::keep : remat::decision::recompute;
  }
};

inline void add_checkpoints(program& p) {
  const remat::checkpoint_setting policies[] = {remat::setting_of<remat::recompute_all>,
                                                remat::setting_of<remat::recompute_all>,
                                                remat::setting_of<remat::save_all>, remat::setting_of<keep_even>};
  for (remat::module_node& n : p.nodes) {
    if (n.name == "loss" || !chance(35)) continue;
    for (int around = chance(20) ? 2 : 1; around > 0; --around) {
      remat::checkpoint_setting setting = policies[pick(0, 4)];
      if (n.is_sequential && chance(60))
        setting.strategy = remat::strategy::groups{static_cast<std::size_t>(pick(1, 4))};
      n.checkpoints.push_back(setting);
    }
  }
}

/// Lets operation `i` read tensor `t`, too, where it can.
inline void read_too(random_program& random, int i, int t) {
  operation& o = random.value.operations[i];
  if (o.inputs.size == 6 || std::ranges::find(o.inputs, t) != o.inputs.end()) return;
  o.inputs.push_back(t);
  o.is.in_place = false;  // which is for one input
  ++random.attributes[static_cast<std::size_t>(i)]->inputs;
}

/// Cuts the program into this many stages, none of them empty. There are at least as many operations. (Drawn without
/// rejection: small cases of RapidCheck draw the same small numbers again and again.)
inline void cut_into_stages(program& p, int stages) {
  int left = p.operations.count();  // operations for this stage and those after it
  for (int s = 0, i = 0; s < stages; ++s) {
    const int later = stages - 1 - s;
    const int mine = later == 0 ? left : 1 + pick(0, left - later);
    for (int k = 0; k < mine; ++k) p.operations[i++].stage = s;
    left -= mine;
  }
  for (remat::module_node& n : p.nodes) n.stage = p.operations[n.first].stage;
}

}  // namespace random_programs
