// SPDX-License-Identifier: MIT
/// The stages of one rank, and for each the executors of its micro-batches: the first one writes gradients, later ones
/// add to them, and the last may go without checkpoints and may update the parameters. Where a batch does not split
/// evenly, the first ones are larger.
#pragma once

#include <remat/distributed/arena_with_kernels.hpp>
#include <remat/distributed/message_wait.hpp>
#include <remat/distributed/mpi.hpp>
#include <remat/partition/pipeline_choices.hpp>
#include <remat/partition/rank_layout.hpp>
#include <remat/partition/stage_plans.hpp>
#include <remat/run/executor.hpp>
#include <remat/schedule/task_positions.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace remat {

/// Which micro-batches a stage checkpoints.
enum class checkpointing : std::uint8_t {
  always,
  except_last  ///< not the last one, where its backward pass follows at once; stages with budgets checkpoint it, too
};

/// What a pipeline is made for.
struct pipeline_setup {
  const program* checkpointed = nullptr;  ///< the fused program, with its stages
  const program* plain = nullptr;         ///< the same without checkpoints
  plan_terms terms = {};
  parameter_store* parameters = nullptr;
  schedule_table table = {};
  int rank = 0;  ///< among the pipeline's
  const mpi::communicator* ranks = nullptr;
  mpi::wait_mode waiting = {};
  std::size_t microbatch = 0;  ///< samples
  int larger = 0;              ///< how many of the micro-batches, the first ones, have one sample more
  bool is_training = true;
  checkpointing checkpoints = checkpointing::always;
  bool recomputes_early = true;  ///< before the gradient is there
  bool updates = false;          ///< parameters, in the last micro-batch
  remat::packing packing = remat::packing::automatic;
  std::size_t other_bytes = 0;                  ///< that a budget of the whole rank leaves to others
  regions reserved = {};                        ///< of the arena in which it is placed, which stays as large
  std::shared_ptr<storage_spaces> spaces = {};  ///< for what leaves the arena

  bool is_larger(int m) const { return m < larger; }
  std::size_t samples(int m) const { return microbatch + (is_larger(m) ? 1 : 0); }
  /// How the kernels of a training step run, of its first micro-batch.
  kernel_options kernels() const {
    return {.microbatches = static_cast<std::size_t>(table.microbatches), .packing = packing};
  }
  arena_with_kernels arena() const { return {*checkpointed, kernels(), larger, reserved, other_bytes}; }
};

class local_stages {
 public:
  /// `setup` must stay where it is.
  local_stages(const pipeline_setup& setup, const task_positions& positions) : setup_(&setup) {
    const training_slices covered(setup.table, positions);
    if (setup.is_training) {
      const arena_with_kernels arena = setup.arena();
      choices_ = choose_in_pipeline(*setup.checkpointed, setup.table, {setup.microbatch, setup.larger}, setup.terms,
                                    {setup.rank, &arena});
    }
    for (int s = 0; s < setup.table.stages; ++s)
      if (positions.rank_of(s) == setup.rank) add(positions, covered, s);
  }

  std::size_t size() const { return stages_.size(); }
  int number(std::size_t local) const { return stages_[local].number; }
  /// Of the stage of this number, which is here.
  std::size_t find(int wanted) const {
    std::size_t local = 0;
    while (stages_[local].number != wanted) ++local;
    return local;
  }

  executor& executor_of(std::size_t local, int microbatch) const { return stages_[local].executor_of(microbatch); }
  const plan& planned(std::size_t local, int microbatch) const { return executor_of(local, microbatch).planned(); }

  /// The plans of all micro-batches, for the layout of the rank's memory.
  std::vector<laid_out_stage> plans() const {
    std::vector<laid_out_stage> all;
    for (const stage& s : stages_) {
      all.push_back({s.number, {}});
      for (const int k : s.of_microbatch)
        all.back().plans.push_back(&s.executors[static_cast<std::size_t>(k)]->planned());
    }
    return all;
  }
  /// The executors of a stage, of its larger micro-batches or of the others, each once or more often.
  template <class F>
  void each_executor(std::size_t local, bool is_larger, const F& f) const {
    for (int m = 0; m < setup_->table.microbatches; ++m)
      if (setup_->is_larger(m) == is_larger) f(executor_of(local, m));
  }

 private:
  struct stage {
    int number = 0;
    std::vector<std::unique_ptr<executor>> executors = {};
    std::vector<int> of_microbatch = {};  // which executor

    executor& executor_of(int m) const {
      return *executors[static_cast<std::size_t>(of_microbatch[static_cast<std::size_t>(m)])];
    }
  };

  void add(const task_positions& positions, const training_slices& covered, int s) {
    const pipeline_setup& setup = *setup_;
    stage& here = stages_.emplace_back();
    here.number = s;
    const int count = setup.table.microbatches;
    const bool last_differs = setup.is_training && setup.checkpoints == checkpointing::except_last &&
                              choices_[static_cast<std::size_t>(s)].ways.empty() &&
                              positions.position_of(pass_kind::backward_input, s, count - 1) ==
                                  positions.position_of(pass_kind::forward, s, count - 1) + 1;
    std::map<std::pair<std::array<bool, 5>, int>, int> made;
    const executor* of_size[2] = {};  // the first one, with whose packed weights the others of the size go on
    for (int m = 0; m < count; ++m) {
      const bool accumulates = setup.is_training && m > 0, is_plain = last_differs && m + 1 == count;
      const bool halves = setup.is_training && positions.halves_backward(s, m);
      const bool updates = setup.updates && m + 1 == count;
      const int way = setup.is_training ? choices_[static_cast<std::size_t>(s)].number_of(m) : 0;
      const auto [at, is_new] = made.insert(
          {{{setup.is_larger(m), is_plain, accumulates, halves, updates}, way}, static_cast<int>(made.size())});
      here.of_microbatch.push_back(at->second);
      if (!is_new) continue;
      const program& p = is_plain ? *setup.plain : *setup.checkpointed;
      plan steps = setup.is_training ? training_plan(p, covered(p, s, m), m, updates)
                                     : plan_inference(p, setup.samples(m), slice_of_stage(p, s));
      const auto waiting = static_cast<std::size_t>(setup.is_training ? covered(p, s, m).in_flight : 1);
      const kernel_options how{accumulates, static_cast<std::size_t>(count), setup.packing, {setup.spaces, waiting}};
      const executor*& like = of_size[setup.is_larger(m)];
      here.executors.push_back(std::make_unique<executor>(p, std::move(steps), *setup.parameters, how, like));
      if (like == nullptr) like = here.executors.back().get();
    }
    place_outside(here, static_cast<std::size_t>(setup.is_training ? covered(*setup.checkpointed, s, 0).in_flight : 1));
  }

  /// What leaves the arena: of one stage after another, and in a stage of each micro-batch that waits.
  void place_outside(const stage& here, std::size_t waiting) {
    std::size_t most = 0;
    for (const auto& e : here.executors) most = std::max(most, e->outside().bytes());
    for (const auto& e : here.executors) e->place_outside(outside_bytes_, most);
    outside_bytes_ += most * waiting;
  }

  plan training_plan(const program& p, const slice& covered, int m, bool updates) const {
    const pipeline_setup& setup = *setup_;
    const updating how = updates ? updating::from_block : updating::after_step;
    const budget_choice* const chosen = choices_[static_cast<std::size_t>(covered.stage)].of(m);
    return plan_training(p, setup.terms.request(setup.samples(m), covered, how, nullptr, chosen));
  }

  const pipeline_setup* setup_;
  std::vector<stage_choices> choices_ = {};  // in training, of all stages
  std::vector<stage> stages_;
  std::size_t outside_bytes_ = 0;
};

}  // namespace remat
