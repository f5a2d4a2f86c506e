// SPDX-License-Identifier: MIT
/// What a model shows of its parameters and states: by path, in the order of its program.
#pragma once

#include <remat/model/program.hpp>
#include <remat/run/kept_gradients.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace remat {

/// One parameter: values and gradient are row-major in PyTorch's layout.
struct parameter_view {
  std::string name;  ///< its path: "conv1.weight"
  std::vector<std::size_t> shape;
  std::span<float> values;
  parameter_gradient gradient;
};

/// What a module remembers and nobody trains: a running mean.
struct state_view {
  std::string name;  ///< its path
  std::vector<std::size_t> shape;
  std::span<float> values;
};

/// A parameter of a program by name and shape alone.
inline parameter_view named_parameter(const program& p, const parameter_slot& slot) {
  const parameter& declared = slot.declared;
  return {parameter_path(p, slot), {declared.extents, declared.extents + declared.rank}, {}, {}};
}

}  // namespace remat
