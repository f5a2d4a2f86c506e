// SPDX-License-Identifier: MIT
/// What the first pass of a step has computed, as hashes, for the checkpoints whose policy is `verified`
/// (core/policy.hpp).
#pragma once

#include <remat/core/byte_hash.hpp>
#include <remat/core/error.hpp>
#include <remat/plan/failing_steps.hpp>
#include <remat/plan/module_paths.hpp>
#include <remat/plan/plan.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace remat {

/// A tensor was computed again, or came back from a storage, with other bits than it had.
class verification_error : public error {
 public:
  using error::error;
};

class first_pass {
 public:
  /// Of a plan, and of as many micro-batches as wait at once.
  first_pass(const program& p, const plan& made, std::size_t microbatches) : program_(&p), microbatches_(microbatches) {
    const core::list<int> verified = verified_operations(p);
    const auto want = [&](int t) {
      if (is_wanted_.empty()) is_wanted_.resize(p.tensors.size());
      is_wanted_[static_cast<std::size_t>(t)] = true;
    };
    for (const action& a : made.steps.actions) {
      if (a.kind != action_kind::recompute || !verified[a.operation]) continue;
      for (const auto* some : {&a.outputs, &a.saved})
        for (const int b : *some)
          if (b != core::none) want(made.steps.buffers[b].tensor);
    }
    for (const operation& o : p.operations) {
      if (!verified[static_cast<int>(&o - p.operations.data())]) continue;
      for (const auto* some : {&o.inputs, &o.outputs, &o.saved})
        for (const int t : *some)
          if (is_stored(made.steps, t)) want(t);
    }
    hashes_.resize(is_wanted_.size() * microbatches);
  }

  /// Nothing is compared.
  bool empty() const { return is_wanted_.empty(); }

  /// Before an action: what it stores is noted as it is. After one: what it has computed for the first time is noted,
  /// and what it gives again is compared. `address(buffer)` is where a buffer of the tape is.
  template <class Address>
  void before(const tape& steps, const action& a, std::size_t microbatch, const Address& address) {
    if (a.kind == action_kind::store || a.kind == action_kind::begin_write)
      note(steps, a.inputs[0], microbatch, address);
  }
  template <class Address>
  void after(const tape& steps, const action& a, std::size_t microbatch, const Address& address) {
    if (a.kind == action_kind::forward || a.kind == action_kind::recompute) {
      for (const auto* some : {&a.outputs, &a.saved})
        for (const int b : *some)
          if (a.kind == action_kind::forward)
            note(steps, b, microbatch, address);
          else
            compare(steps, b, microbatch, address, "the recomputation of ");
    } else if (a.kind == action_kind::restore || a.kind == action_kind::finish_read) {
      compare(steps, a.outputs[0], microbatch, address, "what the storage gives back of ");
    }
  }

 private:
  static bool is_stored(const tape& t, int tensor) {
    for (const buffer& b : t.buffers)
      if (b.tensor == tensor && b.form != nullptr && b.form->is_lossless) return true;
    return false;
  }
  /// The hash of a buffer's tensor, or null where nobody wants it.
  std::uint64_t* place(const tape& steps, int b, std::size_t microbatch) {
    if (b == core::none) return nullptr;
    const auto t = static_cast<std::size_t>(steps.buffers[b].tensor);
    return is_wanted_[t] ? &hashes_[microbatch % microbatches_ * is_wanted_.size() + t] : nullptr;
  }
  template <class Address>
  static std::uint64_t hash(const tape& steps, int b, const Address& address) {
    return hash_of_bytes(address(b), steps.buffers[b].bytes);
  }
  template <class Address>
  void note(const tape& steps, int b, std::size_t microbatch, const Address& address) {
    if (std::uint64_t* const here = place(steps, b, microbatch)) *here = hash(steps, b, address);
  }
  template <class Address>
  void compare(const tape& steps, int b, std::size_t microbatch, const Address& address, const char* what) {
    const std::uint64_t* const here = place(steps, b, microbatch);
    if (here == nullptr || *here == hash(steps, b, address)) return;
    const int producer = program_->producers[steps.buffers[b].tensor];
    const std::string path = producer == core::none ? "" : path_of(*program_, program_->operations[producer].node);
    const std::string name = producer == core::none ? "an input"
                             : path.empty()
                                 ? "the model"
                                 : "'" + path + "' (" + std::string(program_->operations[producer].kind) + ")";
    throw verification_error(
        what + name +
        " has other bits than the first pass; a forward pass must follow from inputs, parameters and "
        "the pass's random numbers alone, and a lossless storage must give back what it was given");
  }

  const program* program_;
  std::size_t microbatches_;
  std::vector<bool> is_wanted_;  // of each tensor; empty where none is
  std::vector<std::uint64_t> hashes_;
};

}  // namespace remat
