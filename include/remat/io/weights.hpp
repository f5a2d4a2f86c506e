// SPDX-License-Identifier: MIT
/// A model's weights as safetensors files: every parameter and state by its path, in PyTorch's names and layouts, so
/// that either reads the other's.
///
///     remat::save_weights(model, "net.safetensors");
///     remat::load_weights(model, "net.safetensors");
///
///     safetensors.torch.save_file(module.state_dict(), "net.safetensors")           # Python
///     module.load_state_dict(safetensors.torch.load_file("net.safetensors"))
///
/// load_options.hpp says how a part of a file is loaded, and under other names; matched_weights.hpp what is accepted.
#pragma once

#include <remat/io/load_options.hpp>
#include <remat/io/matched_weights.hpp>
#include <remat/io/safetensors.hpp>
#include <remat/run/network.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace remat {

namespace detail {

/// Calls f(name, shape, values) on every parameter, then on every state.
template <class F>
void for_each_weight(const network& model, const F& f) {
  for (const parameter_view& p : model.parameters()) f(p.name, p.shape, p.values);
  for (const state_view& s : model.states()) f(s.name, s.shape, s.values);
}

}  // namespace detail

/// Writes every parameter and state as float32. The file appears under its name when it is complete; an `error` leaves
/// an older one as it was.
inline void save_weights(const network& model, const std::filesystem::path& path, const save_options& options = {}) {
  const std::map<std::string, std::vector<std::string>> names = detail::names_of_places(model.lowered());
  std::vector<safetensor_values> tensors;
  detail::for_each_weight(
      model, [&](const std::string& first, const std::vector<std::size_t>& shape, std::span<const float> values) {
        for (const std::string& name : names.at(first))
          if (options.every_name || name == first) tensors.push_back({name, shape, values});
      });
  write_safetensors(path, tensors);
}

/// Reads every parameter and state; F16, BF16 and F64 become float. The file must have each of them with its shape, and
/// nothing else unless told so. Whatever does not fit is listed in a `data_error`, thrown before the model changes;
/// only a disk that fails while it is read leaves a model half loaded, and the message says so. Returns what was loaded,
/// and what was allowed not to be.
inline load_report load_weights(network& model, const std::filesystem::path& path, const load_options& options = {}) {
  std::map<std::string, std::vector<std::string>> names = detail::names_of_places(model.lowered());
  safetensors_file file(path);
  std::vector<detail::named_weight> weights;
  std::vector<std::span<float>> values;
  detail::for_each_weight(model,
                          [&](const std::string& name, const std::vector<std::size_t>& shape, std::span<float> here) {
                            weights.push_back({{name, "F32", shape}, names.at(name)});
                            values.push_back(here);
                          });
  detail::weight_matcher matched(file, weights, options);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (matched.tensors[i] != nullptr) detail::read_weight(file, *matched.tensors[i], values[i]);
  return std::move(matched.report);
}

}  // namespace remat
