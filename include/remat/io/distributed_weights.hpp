// SPDX-License-Identifier: MIT
/// The weights of a distributed model as one safetensors file: the same bytes that one process writes of the same
/// model, so that either reads the other's, on any number of ranks.
///
///     remat::save_weights(model, "net.safetensors");   // on every rank
///     remat::load_weights(model, "net.safetensors");
///
/// Both are collective, and rank 0 alone touches the file: its path and options count. Tensors travel one at a time, so
/// that no rank needs memory for more than the largest that it does not hold. What is saved is replica 0's, whose
/// states may differ from those of others; what is loaded goes to all replicas. An error is a `collective_error` on all
/// ranks.
#pragma once

#include <remat/dist/distributed_network.hpp>
#include <remat/io/weights.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace remat {

namespace detail {

/// The weights of a distributed model, in the order of their file, and which ranks of a pipeline hold each.
struct held_weights {
  std::vector<safetensor> places;
  std::vector<std::vector<std::string>> names;  ///< of each; those of all places, the first in `places`
  std::vector<std::vector<int>> holders;        ///< of each; the stages' ranks in order, none of them twice
  std::vector<std::span<float>> here;           ///< of each; empty where this rank does not hold it

  /// One entry for each owner among the slots, in the order of the program.
  template <class View>
  void add(const program& p, const list<parameter_slot>& slots, const std::vector<int>& ranks,
           std::span<const View> views, std::span<const std::size_t> owners) {
    std::vector<std::size_t> entry_of(slots.size());
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (ranks[i] == none) continue;
      const parameter_slot& owner = slots[static_cast<std::size_t>(slots[i].owner)];
      if (static_cast<std::size_t>(owner.owner) == i) {
        entry_of[i] = places.size();
        add_safetensor(places, parameter_path(p, owner),
                       {owner.declared.extents, owner.declared.extents + owner.declared.rank});
        holders.emplace_back();
        names.push_back(names_of_places_.at(places.back().name));
      }
      std::vector<int>& mine = holders[entry_of[static_cast<std::size_t>(owner.owner)]];
      if (std::ranges::find(mine, ranks[i]) == mine.end()) mine.push_back(ranks[i]);
    }
    here.resize(places.size());
    for (std::size_t k = 0; k < views.size(); ++k) here[entry_of[owners[k]]] = views[k].values;
  }

  /// Room for any of those that `is_wanted(i)`.
  template <class IsWanted>
  std::vector<float> room(const IsWanted& is_wanted) const {
    std::size_t most = 0;
    for (std::size_t i = 0; i < places.size(); ++i)
      if (is_wanted(i)) most = std::max(most, places[i].elements());
    return std::vector<float>(most);
  }

  explicit held_weights(distributed_network& model) : names_of_places_(names_of_places(model.lowered())) {
    const program& p = model.lowered();
    add(p, p.parameters, model.ranks_of_parameters(), model.parameters(), model.store().slots());
    add(p, p.states, model.ranks_of_states(), model.states(), model.store().state_slots());
  }

 private:
  std::map<std::string, std::vector<std::string>> names_of_places_;
};

/// Does something on rank 0; where that fails, all ranks throw.
template <class F>
void on_rank_0(const distributed_network& model, const F& f) {
  std::string complaint;
  try {
    if (model.rank() == 0) f();
  } catch (const std::exception& e) {
    complaint = e.what();
  }
  model.all().require_none(complaint);
}

inline void send_values(const distributed_network& model, std::span<const float> values, int to) {
  mpi::in_pieces(std::as_bytes(values),
                 [&](std::span<const std::byte> piece) { model.all().wait(model.world().send(piece, to, 0)); });
}
inline void receive_values(const distributed_network& model, std::span<float> values, int from) {
  mpi::in_pieces(std::as_writable_bytes(values),
                 [&](std::span<std::byte> piece) { model.all().wait(model.world().receive(piece, from, 0)); });
}

}  // namespace detail

/// Collective. Writes every parameter and state as float32. The file appears under its name when it is complete; an
/// error leaves an older one as it was.
inline void save_weights(distributed_network& model, const std::filesystem::path& path,
                         const save_options& options = {}) {
  model.calls().meet(call_kind::weights);
  const detail::held_weights weights(model);
  std::optional<safetensors_writer> file;
  std::vector<float> room;
  // Rank 0 may hold one that is not its to save: another replica's, or one that it shares.
  const auto holder_of = [&](std::size_t i) { return model.grid().rank(weights.holders[i].front(), 0); };
  detail::on_rank_0(model, [&] {
    room = weights.room([&](std::size_t i) { return holder_of(i) != 0; });
    std::vector<safetensor> places;
    for (std::size_t i = 0; i < weights.places.size(); ++i)
      for (const std::string& name : weights.names[i])
        if (options.every_name || name == weights.places[i].name) add_safetensor(places, name, weights.places[i].shape);
    file.emplace(path, places);
  });
  for (std::size_t i = 0; i < weights.places.size(); ++i) {
    const int holder = holder_of(i);
    std::span<const float> values = weights.here[i];
    if (holder != 0 && model.rank() == holder) detail::send_values(model, values, 0);
    detail::on_rank_0(model, [&] {
      if (holder != 0) {
        const std::span<float> arrived = std::span(room).first(weights.places[i].elements());
        detail::receive_values(model, arrived, holder);
        values = arrived;
      }
      for (std::size_t k = 0; k < (options.every_name ? weights.names[i].size() : 1); ++k) file->write(values);
    });
  }
  detail::on_rank_0(model, [&] { file->finish(); });
}

/// Collective. Reads every parameter and state, of any kind of file that a model of one process accepts, and as that
/// does of a part of one. What does not fit is thrown before the model changes; only a disk that fails while it is read
/// leaves a model half loaded, and the message says so. Returns what was loaded on rank 0; the lists of other ranks are
/// empty.
inline load_report load_weights(distributed_network& model, const std::filesystem::path& path,
                                const load_options& options = {}) {
  model.calls().meet(call_kind::weights);
  const detail::held_weights weights(model);
  std::optional<safetensors_file> file;
  std::optional<detail::weight_matcher> matched;
  std::vector<float> room;
  std::vector<std::byte> is_loaded(weights.places.size());
  detail::on_rank_0(model, [&] {
    room = weights.room([&](std::size_t i) { return weights.here[i].empty(); });
    file.emplace(path);
    std::vector<detail::named_weight> named;
    for (std::size_t i = 0; i < weights.places.size(); ++i) named.push_back({weights.places[i], weights.names[i]});
    matched.emplace(*file, named, options);
    for (std::size_t i = 0; i < is_loaded.size(); ++i) is_loaded[i] = std::byte{matched->tensors[i] != nullptr};
  });
  if (!is_loaded.empty()) model.all().wait(model.world().broadcast(std::span(is_loaded), 0));
  for (std::size_t i = 0; i < weights.places.size(); ++i) {
    if (is_loaded[i] == std::byte{0}) continue;
    std::span<float> values = weights.here[i];
    detail::on_rank_0(model, [&] {
      if (values.empty()) values = std::span(room).first(weights.places[i].elements());
      detail::read_weight(*file, *matched->tensors[i], values);
    });
    for (const int holder : weights.holders[i])
      for (int replica = 0; replica < model.dp_size(); ++replica) {
        const int to = model.grid().rank(holder, replica);
        if (to == 0) continue;
        if (model.rank() == 0) detail::send_values(model, values, to);
        if (model.rank() == to) detail::receive_values(model, values, 0);
      }
  }
  return matched ? std::move(matched->report) : load_report{};
}

}  // namespace remat
