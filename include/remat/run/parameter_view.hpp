// SPDX-License-Identifier: MIT
/// What a model shows of its parameters and states: by path, in the order of its program.
#pragma once

#include <remat/model/program.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace remat {

/// One parameter: values and gradient are row-major in PyTorch's layout.
struct parameter_view {
  std::string name;  ///< its path: "conv1.weight"
  std::vector<std::size_t> shape;
  std::span<float> values, gradient;
};

/// What a module remembers and nobody trains: a running mean.
struct state_view {
  std::string name;  ///< its path
  std::vector<std::size_t> shape;
  std::span<float> values;
};

/// The parameters of a program, a shared one once, by name and shape alone.
inline std::vector<parameter_view> named_parameters(const program& p) {
  std::vector<parameter_view> all;
  for (int i = 0; i < p.parameters.count(); ++i) {
    const parameter& declared = p.parameters[i].declared;
    if (p.parameters[i].owner == i)
      all.push_back({parameter_path(p, p.parameters[i]), {declared.extents, declared.extents + declared.rank}, {}, {}});
  }
  return all;
}

}  // namespace remat
