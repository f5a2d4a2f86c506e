// SPDX-License-Identifier: MIT
/// Training of the test networks, on one process or on the ranks of the job, and the bits that come of it.
#pragma once

#include "same_bits.hpp"
#include "session.hpp"

#include <networks/networks.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// All kinds of them.
inline const std::vector<remat::pipeline_schedule>& schedules() {
  static const std::vector<remat::pipeline_schedule> all{remat::schedule::gpipe, remat::schedule::one_f_one_b,
                                                         remat::schedule::zero_bubble, remat::schedule::interleaved<2>};
  return all;
}

/// The bits of a parameter or state that a rank holds.
struct bits {
  std::string name;
  std::vector<float> values, gradient;
};

struct outcome {
  std::vector<float> losses;
  std::vector<bits> parameters, states;
};

/// Whether everything that is here is there, too, in the same bits.
inline bool are_same(const std::vector<bits>& here, const std::vector<bits>& expected) {
  return std::ranges::all_of(here, [&](const bits& mine) {
    const auto found = std::ranges::find(expected, mine.name, &bits::name);
    return found != expected.end() && same_bits(mine.values, found->values) &&
           same_bits(mine.gradient, found->gradient);
  });
}
inline void check_same(const outcome& found, const outcome& expected) {
  CHECK(same_bits(found.losses, expected.losses));
  CHECK(are_same(found.parameters, expected.parameters));
  CHECK(are_same(found.states, expected.states));
}

/// What a model holds after steps of these losses.
template <class Model>
outcome outcome_of(Model& model, std::vector<float> losses) {
  outcome made{std::move(losses), {}, {}};
  for (const remat::parameter_view& p : model.parameters())
    made.parameters.push_back({p.name, {p.values.begin(), p.values.end()}, {p.gradient.begin(), p.gradient.end()}});
  for (const remat::state_view& s : model.states())
    made.states.push_back({s.name, {s.values.begin(), s.values.end()}, {}});
  return made;
}

inline std::vector<remat::tensor_source> sources_of(const networks::batch& data) {
  std::vector<remat::tensor_source> sources;
  for (const networks::values& each : data) sources.push_back(networks::source_of(each));
  return sources;
}

/// Three steps of momentum SGD, or of another optimizer.
template <class Model, class Optimizer>
outcome train(const networks::network& n, Model& model, std::size_t samples, Optimizer optimizer) {
  std::vector<float> losses;
  for (std::uint64_t step = 0; step < 3; ++step) {
    const auto data = networks::random_batch(n, model.lowered(), samples, step);
    losses.push_back(model.train_on(sources_of(data)));
    optimizer.step(model);
  }
  return outcome_of(model, std::move(losses));
}
template <class Model>
outcome train(const networks::network& n, Model& model, std::size_t samples) {
  return train(n, model, samples, remat::sgd{{.learning_rate = 0.02f, .momentum = 0.9f}});
}
/// Two steps on one batch of rows and their classes.
template <class Model>
outcome train_twice(Model& model, const std::vector<float>& rows, const std::vector<std::int32_t>& classes) {
  std::vector<float> losses;
  remat::sgd optimizer{{.learning_rate = 0.05f}};
  for (int step = 0; step < 2; ++step) {
    losses.push_back(model.train_step(rows, classes));
    optimizer.step(model);
  }
  return outcome_of(model, std::move(losses));
}

/// The pipeline of a step whose micro-batches have this number of samples each.
inline remat::pipeline& pipeline_of(remat::distributed_network& model, std::size_t microbatch) {
  const std::size_t parts = model.microbatches() * static_cast<std::size_t>(model.replicas());
  return remat::internals::training(model, remat::batch_split{.batch = microbatch * parts, .parts = parts});
}

/// The largest of the ranks' numbers.
inline std::size_t largest_of_ranks(std::size_t number) {
  std::vector<std::uint64_t> all{number};
  remat::mpi::request r = session().world().largest(all);
  remat::mpi::wait_until(remat::mpi::wait_mode::sleeping, [&] { return r.is_done(); });
  return all[0];
}
/// Whether all ranks have this text.
inline bool is_same_on_ranks(const std::string& text) {
  const std::size_t hash = std::hash<std::string>()(text);
  return largest_of_ranks(hash) == ~largest_of_ranks(~hash);
}
