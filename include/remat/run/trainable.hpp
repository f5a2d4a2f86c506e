// SPDX-License-Identifier: MIT
/// What an optimizer, clipping and files of weights work on: the parameters of a model, whoever makes their gradients.
///
/// A network of one process has all of them. A distributed one has those of its stages, and says here what its other
/// ranks must be told: there, `sum_over_parameters` and `after_update` are collective, and so is whatever calls them.
#pragma once

#include <remat/core/compilation.hpp>
#include <remat/core/presence.hpp>
#include <remat/model/program.hpp>
#include <remat/run/held_slots.hpp>
#include <remat/run/internals.hpp>
#include <remat/run/parameter_store.hpp>
#include <remat/run/tensor_list.hpp>
#include <remat/run/tensor_ranks.hpp>
#include <remat/run/weight_tensors.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat {

inline namespace REMAT_COMPILATION {

class trainable {
 public:
  virtual ~trainable();

  /// The fused program, of which a rank may run a part.
  virtual const program& lowered() const = 0;
  std::span<const parameter_view> parameters() const { return held().views(); }
  /// By path, "conv1.weight"; throws `error` for a name that the model does not have.
  const parameter_view& parameter(std::string_view name) const { return held().at(name); }
  /// What modules remember and nobody trains, by path.
  std::span<const state_view> states() const { return held().state_views(); }

  std::uint64_t seed() const {
    presence_.require(object);
    return seed_;
  }
  int threads() const {
    presence_.require(object);
    return threads_;
  }
  /// Training steps taken.
  std::uint32_t steps() const {
    presence_.require(object);
    return steps_;
  }
  /// Parameters, then states, by name, whoever holds them: what files of weights are written from and read into.
  tensor_list weights() const { return weight_tensors(lowered(), held(), ranks_of_tensors()); }
  /// Everything that training goes on from: weights, the seed, the number of steps, and what the optimizers remember.
  /// Throws `error` where an optimizer serves other parameters.
  template <class... Optimizers>
  tensor_list tensors(Optimizers&... optimizers) {
    tensor_list all = weights();
    all.add_counter("model/seed", seed_);
    all.add_counter("model/steps", steps_);
    std::size_t number = 0;
    (optimizers.add_tensors(all, *this, ++number == 1 ? "optimizer" : "optimizer" + std::to_string(number)), ...);
    return all;
  }
  /// Who holds which elements of these, and how they travel.
  virtual const tensor_ranks& ranks_of_tensors() const { return tensor_ranks::alone(); }

  /// A number that no other set of parameters of this process has or had; models that share parameters have one.
  std::uint64_t identity() const { return held().identity(); }

  /// The sum over all parameters of the model, in the order of the program, of a number for each of `parameters()`.
  virtual double sum_over_parameters(std::span<const double> numbers);
  /// Every parameter of the model, whoever holds it, by name and shape; values and gradients are those held here.
  std::vector<parameter_view> all_parameters() const;
  /// The names of those that are trained on other ranks only.
  std::vector<std::string> trained_elsewhere() const {
    const program& p = lowered();
    std::vector<bool> is_wanted = trained_slots(p);
    for (const std::size_t slot : held().slots()) is_wanted[slot] = false;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < is_wanted.size(); ++i)
      if (static_cast<std::size_t>(p.parameters[i].owner) == i && is_wanted[i])
        names.push_back(parameter_path(p, p.parameters[i]));
    return names;
  }
  /// Whether parameter `i` has a gradient: it is not frozen.
  bool is_trained(std::size_t i) const { return !parameters()[i].gradient.empty(); }
  /// The elements [first, second) of parameter `i` that an optimizer updates here, and keeps its numbers for.
  virtual std::pair<std::size_t, std::size_t> updated_here(std::size_t i) const {
    return {0, is_trained(i) ? parameters()[i].values.size() : 0};
  }
  /// Parameters or gradients are about to change, by these numbers and the gradients alone.
  virtual void before_update(std::span<const double>) {}
  /// It has updated them.
  virtual void after_update() {}

  /// Throws `error` where no step has made gradients yet, or where the last one was refused: then those that are in
  /// `parameters()` are of no batch, and an optimizer and clipping refuse them.
  void require_gradients() const { held().require_gradients(); }
  /// Says that gradients are written into `parameters()` by hand, as a step would: they are accepted from now on. It
  /// comes before they are written where the last step has left none (`train_step(x, y, optimizer)`).
  void accept_gradients() { held().accept_gradients(); }

  /// One number for each of `parameters()`, for those who sum over them.
  std::span<double> numbers() {
    numbers_.resize(parameters().size());
    return numbers_;
  }

 protected:
  friend struct remat::internals;

  parameter_store& store() { return held(); }
  /// The parameters. Throws `error` where the model was moved from, as every member does.
  parameter_store& held() const {
    presence_.require(object);
    return *parameters_;
  }

  trainable(std::uint64_t seed, int threads, std::unique_ptr<parameter_store> parameters)
      : seed_(seed), threads_(threads), parameters_(std::move(parameters)) {}
  trainable(trainable&&) = default;
  trainable& operator=(trainable&&) = default;

  std::uint64_t seed_;
  int threads_;
  std::uint32_t steps_ = 0;
  std::unique_ptr<parameter_store> parameters_;

 private:
  static constexpr const char* object = "this model";

  presence presence_;
  std::vector<double> numbers_;
};

}  // namespace REMAT_COMPILATION

#if REMAT_HAS_DEFINITIONS

REMAT_DEFINED trainable::~trainable() = default;

REMAT_DEFINED double trainable::sum_over_parameters(std::span<const double> numbers) {
  double sum = 0;
  for (const double each : numbers) sum += each;
  return sum;
}

REMAT_DEFINED std::vector<parameter_view> trainable::all_parameters() const {
  const program& p = lowered();
  std::vector<const parameter_view*> here(p.parameters.size());
  for (std::size_t k = 0; k < parameters().size(); ++k) here[held().slots()[k]] = &parameters()[k];
  std::vector<parameter_view> all;
  for (std::size_t i = 0; i < here.size(); ++i)
    if (static_cast<std::size_t>(p.parameters[i].owner) == i)
      all.push_back(here[i] != nullptr ? *here[i] : named_parameter(p, p.parameters[i]));
  return all;
}

#endif

}  // namespace remat
