// SPDX-License-Identifier: MIT
/// Networks that the tests train under every policy and compare with PyTorch, where networks.py builds the same ones.
///
/// Each is lowered in a file of its own: NAME.cpp holds the network `NAME`, and networks.cpp lists all. What is done
/// with them is ordinary code over programs.
#pragma once

#include <remat/model/lower.hpp>
#include <remat/run/network.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace networks {

/// The same network with checkpoints in its type, and the values that they mean.
struct tagged {
  std::string_view name;
  remat::program (*lower)();
  std::vector<remat::checkpoint_at> checkpoints;
};

struct network {
  std::string_view name;
  remat::program (*lower)();  ///< its type holds no checkpoint
  std::size_t microbatch;     ///< samples that the tests train at once
  int vocabulary = 0;         ///< integers of its inputs are below it
  int classes = 0;            ///< integers of its targets are below it
  std::string chain = {};     ///< the path of the sequential on which strategies work
  /// Parameters whose gradient is zero but for rounding: a bias before a batch norm.
  std::vector<std::string> without_gradient = {};
  std::vector<std::string> frozen = {};        ///< paths, in addition to what is frozen in the type
  std::vector<std::string> not_trained = {};   ///< parameters that are frozen by path or by type
  void (*start)(remat::trainable&) = nullptr;  ///< sets other initial values
  std::vector<tagged> as_types = {};
};

/// All of them, by name.
std::span<const network> all();
const network& named(std::string_view name);

/// Whether the children of its chain are equal, as `revolve` asks.
bool has_uniform_chain(const network& n);

template <class Net, class Input, class Loss>
remat::program lowered() {
  return remat::lower<Net, Input, Loss>();
}

/// A model of it, with the initial values that it asks for.
remat::network make(const network& wanted, const remat::model_options& options = {});
/// The same with its checkpoints in the type, or whatever else gives `program`.
remat::network make(const network& wanted, remat::program program, const remat::model_options& options);

/// A tensor of a batch.
struct values {
  std::variant<std::vector<float>, std::vector<std::int32_t>> numbers;
};
remat::tensor_source source_of(const values& tensor);

/// The inputs of a program, and then its targets.
using batch = std::vector<values>;

/// Floats in [-1, 1), as targets in [0, 1), and integers as the network takes them, from a seed.
batch random_batch(const network& wanted, const remat::program& p, std::size_t samples, std::uint64_t seed);

/// Calls f(tensor...) with all tensors of a batch.
template <class F>
auto with(std::span<const values> tensors, const F& f) {
  switch (tensors.size()) {
    case 1:
      return f(tensors[0]);
    case 2:
      return f(tensors[0], tensors[1]);
    default:
      return f(tensors[0], tensors[1], tensors[2]);
  }
}
float train_step(remat::network& model, const batch& data);

}  // namespace networks
