// SPDX-License-Identifier: MIT
/// A tensor that a model, an optimizer or a loop remembers from one step to the next: by name, with its shape, its
/// element type and the elements that this process holds.
#pragma once

#include <remat/core/element.hpp>
#include <remat/model/program.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace remat {

/// What a tensor is to its model.
enum class tensor_role : std::uint8_t {
  parameter,  ///< is trained, or frozen
  state,      ///< what a module remembers and nobody trains: a running mean
  optimizer,  ///< an optimizer's numbers for a parameter
  counter     ///< of steps, of batches; a seed
};

/// Elements [first, last) of a tensor, row-major, which a rank holds.
struct held_elements {
  int rank = 0;  ///< among all ranks of the job
  std::size_t first = 0, last = 0;

  std::size_t size() const { return last - first; }
};

struct named_tensor {
  std::string name;  ///< of a parameter or state, its path: "conv1.weight"
  tensor_role role = tensor_role::parameter;
  std::vector<std::size_t> shape = {};
  element type = element::float32;
  /// The names of all places of a parameter or state that modules share; `name` is the first.
  std::vector<std::string> names = {name};
  bool is_transposed_in_files = false;  ///< a matrix that files have the other way round
  int slot = core::none;  ///< of a parameter or state: the one of the program that owns it
  /// All ranks that hold elements of it, in the order in which they are asked for them. Others may hold the same.
  std::vector<held_elements> holders = {};
  std::size_t first = 0;           ///< of the elements held here
  std::span<std::byte> here = {};  ///< these

  /// Makes it (true) or forgets it, and gives the elements that are then held here. Null for what is always there. An
  /// optimizer has rows for a parameter from its first update on: before that their `is_there` is false.
  std::function<std::span<std::byte>(bool)> keep = {};
  bool is_there = true;
  std::string counted_by = {};  ///< of what is not always there: it is where the counter of this name is not 0

  std::size_t elements() const {
    std::size_t product = 1;
    for (const std::size_t extent : shape) product *= extent;
    return product;
  }
  std::vector<std::size_t> shape_in_files() const {
    return is_transposed_in_files ? std::vector<std::size_t>{shape.rbegin(), shape.rend()} : shape;
  }
  std::size_t bytes() const { return elements() * size_of(type); }
  bool is_weight() const { return role == tensor_role::parameter || role == tensor_role::state; }

  /// Sees that it is there, or is not. Called alike on all ranks.
  void set_there(bool wanted) {
    if (!keep || wanted == is_there) return;
    here = keep(wanted);
    is_there = wanted;
  }
};

}  // namespace remat
