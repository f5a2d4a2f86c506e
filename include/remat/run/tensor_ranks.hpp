// SPDX-License-Identifier: MIT
/// The processes that a model's tensors are spread over: who holds which elements, and how bytes go from one to
/// another. This one is a single process, which holds everything. What a distributed model has in its place is in
/// distributed/distributed_tensors.hpp.
#pragma once

#include <remat/run/named_tensor.hpp>

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace remat {

class tensor_ranks {
 public:
  virtual ~tensor_ranks() = default;

  virtual int rank() const { return 0; }
  /// Who holds the elements of a parameter, state, or optimizer's row of a parameter, that a slot of the program owns.
  virtual std::vector<held_elements> holders_of(tensor_role, int /*slot*/, std::size_t elements) const {
    return {{0, 0, elements}};
  }
  /// Who holds a counter: everybody.
  virtual std::vector<held_elements> all_holders(std::size_t elements) const { return {{0, 0, elements}}; }

  // What follows is collective, but for `send` and `receive`.

  /// Begins a call that reads or writes files of tensors.
  virtual void meet() const {}
  /// Does something on one rank; where that throws, all ranks throw.
  virtual void run_on(int /*rank*/, const std::function<void()>& f) const { f(); }
  /// Does something on every rank; where that throws on one, all ranks throw.
  virtual void run_on_each(const std::function<void()>& f) const { f(); }
  virtual void send(std::span<const std::byte>, int /*to*/) const {}
  virtual void receive(std::span<std::byte>, int /*from*/) const {}
  virtual void broadcast(std::span<std::byte>, int /*from*/) const {}

  /// The one of models in one process.
  static const tensor_ranks& alone() {
    static const tensor_ranks one;
    return one;
  }
};

}  // namespace remat
