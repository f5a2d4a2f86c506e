// SPDX-License-Identifier: MIT
/// What is inside a model: for audits, profiles, check_gradients and remat's own tests. It is no part of what users are
/// promised, and may change with any version.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace remat {

/// Each gives what the model of one process, or the distributed one, calls by the same name.
struct internals {
  /// Values, gradients and states of parameters.
  template <class Model>
  static decltype(auto) store(Model& m) {
    return m.store();
  }
  /// What runs a training step of a batch, or of a split of one on ranks, ready to run.
  template <class Model, class... How>
  static decltype(auto) training(Model& m, std::size_t batch, How... how) {
    return m.training(batch, how...);
  }
  template <class Model, class Split, class... How>
    requires(!std::is_convertible_v<Split, std::size_t>)
  static decltype(auto) training(Model& m, const Split& split, How... how) {
    return m.training(split, how...);
  }
  template <class Model>
  static decltype(auto) inference(Model& m, std::size_t batch) {
    return m.inference(batch);
  }
  /// Runs one step as given.
  template <class Model, class... How>
  static float run_training(Model& m, How&&... how) {
    return m.run_training(std::forward<How>(how)...);
  }
  /// The threads of a call.
  template <class Model>
  static auto scope_of_call(const Model& m) {
    return m.scope_of_call();
  }
  /// How the kernels of a training step run.
  template <class Model>
  static decltype(auto) kernels(const Model& m) {
    return m.kernels();
  }
  /// What policies are told in addition to the batch.
  template <class Model>
  static decltype(auto) terms(const Model& m) {
    return m.terms();
  }

  // Of distributed models alone.

  /// The ranks of the model, and how it waits for them and agrees with them.
  template <class Model>
  static decltype(auto) world(const Model& m) {
    return m.world();
  }
  template <class Model>
  static decltype(auto) all(const Model& m) {
    return m.all();
  }
  template <class Model>
  static decltype(auto) calls(const Model& m) {
    return m.calls();
  }
  /// How a training step splits a batch, which all ranks accept.
  template <class Model, class... How>
  static auto agree_on_split(const Model& m, How&&... how) {
    return m.agree_on_split(std::forward<How>(how)...);
  }
  /// Throws on all ranks where one has no plan of a step that splits a batch so.
  template <class Model, class Split>
  static void require_plan(Model& m, const Split& split) {
    m.require_plan(split);
  }
  /// Gives what runs its place in the model's arena back.
  template <class Model, class Line>
  static void bind(Model& m, Line& line) {
    m.bind(line);
  }
  /// Of the last training step.
  template <class Model>
  static decltype(auto) last_pipeline(const Model& m) {
    return m.last_pipeline();
  }
};

}  // namespace remat
