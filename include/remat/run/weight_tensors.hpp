// SPDX-License-Identifier: MIT
/// The parameters and states of a model as named tensors, in the order of its program: each once, with the names of all
/// of its places, on every rank, whoever holds it.
#pragma once

#include <remat/model/program.hpp>
#include <remat/run/held_slots.hpp>
#include <remat/run/parameter_store.hpp>
#include <remat/run/tensor_list.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace remat {

namespace detail {

/// Adds a tensor for each owner among the slots that some operation uses. `values` has those of the owners that are
/// held here.
inline void add_weights(tensor_list& all, tensor_role role, const program& p, const core::list<parameter_slot>& slots,
                        const std::vector<bool>& is_used, std::span<const std::span<float>> values) {
  std::vector<std::vector<std::string>> names(slots.size());
  std::vector<bool> owner_is_used(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const auto owner = static_cast<std::size_t>(slots[i].owner);
    names[owner].push_back(parameter_path(p, slots[i]));
    if (is_used[i]) owner_is_used[owner] = true;
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!owner_is_used[i]) continue;
    const parameter& declared = slots[i].declared;
    all.add({.name = names[i].front(),
             .role = role,
             .shape = {declared.extents, declared.extents + declared.rank},
             .type = element::float32,
             .names = std::move(names[i]),
             .is_transposed_in_files = declared.is_transposed_in_files,
             .slot = static_cast<int>(i),
             .holders = all.ranks().holders_of(role, static_cast<int>(i), declared.elements()),
             .here = std::as_writable_bytes(values[i])});
  }
}

}  // namespace detail

inline tensor_list weight_tensors(const program& p, const parameter_store& store, const tensor_ranks& ranks) {
  tensor_list all(ranks);
  const held_slots used = all_slots(p);
  std::vector<std::span<float>> values(p.parameters.size());
  for (std::size_t k = 0; k < store.views().size(); ++k) values[store.slots()[k]] = store.views()[k].values;
  detail::add_weights(all, tensor_role::parameter, p, p.parameters, used.parameters, values);
  values.assign(p.states.size(), {});
  for (std::size_t k = 0; k < store.state_views().size(); ++k)
    values[store.state_slots()[k]] = store.state_views()[k].values;
  detail::add_weights(all, tensor_role::state, p, p.states, used.states, values);
  for (int n = 0; n < p.nodes.count(); ++n)
    if (p.nodes[n].names != nullptr) {
      const std::string path = path_of(p, n);
      all.add_scope({path.empty() ? path : path + '.', p.nodes[n].names});
    }
  return all;
}

}  // namespace remat
