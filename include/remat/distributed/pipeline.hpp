// SPDX-License-Identifier: MIT
/// A pipeline: what one rank does in a step of a given micro-batch size, task by task in the order of its row.
///
/// In a task, the plan of its stage runs: it waits for a tensor where it first reads it, after what it can compute
/// again meanwhile, and sends one when it is made. Between two actions MPI is given a moment.
#pragma once

#include <remat/distributed/gradient_listener.hpp>
#include <remat/distributed/local_stages.hpp>
#include <remat/distributed/pipeline_trace.hpp>
#include <remat/distributed/pipeline_transport.hpp>
#include <remat/distributed/traced_section.hpp>
#include <remat/partition/rank_layout.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace remat {

class pipeline : private exchange {
 public:
  explicit pipeline(pipeline_setup setup)
      : setup_(std::move(setup)),
        positions_(setup_.table),
        stages_(setup_, positions_),
        transport_(setup_, stages_),
        layout_(setup_.table, setup_.rank, positions_, transport_.messages(), transport_.times(), stages_.plans()) {
    needed_.activations = layout_.bytes();
    std::size_t passing = 0, packed = 0;  // of kernels, in one task
    for (std::size_t local = 0; local < stages_.size(); ++local) {
      packed_at_.emplace_back();
      for (const bool is_larger : {false, true}) {
        packed_at_.back()[is_larger] = packed_bytes_;
        std::size_t kept = 0;
        stages_.each_executor(local, is_larger, [&](const executor& e) {
          kept = e.kernels().step_bytes();
          passing = std::max(passing, e.kernels().passing_bytes());
          packed = std::max(packed, e.kernels().packed_bytes() - kept);
        });
        packed_bytes_ += kept;
      }
    }
    needed_.packed = packed_bytes_ + packed;
    needed_.scratch = passing - packed;
    find_reads_ahead();
  }
  pipeline(const pipeline&) = delete;  // its parts know where they are
  pipeline& operator=(const pipeline&) = delete;

  const regions& needed() const { return needed_; }
  /// Of packed weights that all micro-batches of a stage read.
  std::size_t kept_packed_bytes() const { return packed_bytes_; }
  const rank_layout& layout() const { return layout_; }
  /// The samples of a micro-batch, and how many of them, the first ones, have one more.
  std::size_t microbatch() const { return setup_.microbatch; }
  int larger() const { return setup_.larger; }
  bool is_training() const { return setup_.is_training; }
  bool updates() const { return setup_.updates; }
  const schedule_table& table() const { return setup_.table; }
  const core::list<pipeline_message>& messages() const { return transport_.messages(); }
  /// The stages of this rank, in order.
  std::size_t stages() const { return stages_.size(); }
  int stage(std::size_t local) const { return stages_.number(local); }
  const plan& planned(std::size_t local, int microbatch) const { return stages_.planned(local, microbatch); }

  /// Moves to an arena. No message may be under way.
  void bind(std::byte* activations, std::byte* kernels) {
    activations_ = activations;
    kernels_ = kernels;
    transport_.bind(activations, layout_);
  }

  /// How a step runs.
  struct step {
    std::uint64_t seed = 0;
    std::uint32_t number = 0;
    std::uint32_t first_microbatch = 0;           ///< of this replica, among all
    std::span<const float> shares = {};           ///< of each micro-batch in the loss of the whole batch
    std::optional<double> counted_in_batch = {};  ///< what the loss divides by (loss_shares.hpp)
    pipeline_trace* trace = nullptr;
    gradient_listener* listener = nullptr;
    gradient_receiver* updates = nullptr;  ///< of a pipeline that updates parameters
  };

  /// Runs the row. `inputs(m)` gives the sources of micro-batch m, and `results(stage, m)` the places of what that
  /// stage fetches.
  template <class Inputs, class Results>
  void run(const step& how, const Inputs& inputs, const Results& results) {
    how_ = how;
    executed_ = {};
    transport_.begin(how.trace, how.listener);
    const core::list<pipeline_task>& row = setup_.table.rows[setup_.rank];
    for (int position = 0; position < row.count(); ++position) {
      transport_.arrive_at(position);
      for (const ahead& each : reads_ahead_)
        if (each.position == position) read_ahead(each);
      const pipeline_task& t = row[position];
      local_ = stages_.find(t.stage);
      microbatch_ = t.microbatch;
      running_ = &stages_.executor_of(local_, t.microbatch);
      const task_rules& rules = rules_of(t.kind);
      section_ = running_->planned().steps.sections[rules.section];
      makes_final_ = rules.section > forward_section && t.microbatch + 1 == setup_.table.microbatches;
      bind_running();
      if (how_.trace != nullptr) how_.trace->begin(t);
      if (rules.does(pass_kind::backward_input) && !setup_.recomputes_early) await_gradients();
      note_beginning(section_.first);
      before_ = rules.section == forward_section ? action_counts{} : running_->executed();
      running_->run({.seed = how.seed,
                     .number = how.number,
                     .microbatch = how.first_microbatch + static_cast<std::uint32_t>(t.microbatch),
                     .place = static_cast<std::size_t>(t.microbatch),
                     .share = how.shares.empty() ? 1 : how.shares[static_cast<std::size_t>(t.microbatch)],
                     .counted_in_batch = how.counted_in_batch,
                     .ports = this,
                     .packs = t.microbatch == 0 || t.microbatch == setup_.larger,
                     .updates = how.updates},
                    inputs(t.microbatch), results(local_, t.microbatch), rules.section);
      count_executed();
      if (how_.trace != nullptr) how_.trace->end();
    }
    transport_.arrive_at(row.count());
  }

  /// How often the last run executed a kind of action, on this rank.
  std::size_t executed(action_kind kind) const { return executed_[static_cast<std::size_t>(kind)]; }
  /// How often the plans of all micro-batches run it.
  std::size_t planned_count(action_kind kind) const {
    std::size_t sum = 0;
    for (std::size_t local = 0; local < stages_.size(); ++local)
      for (int m = 0; m < setup_.table.microbatches; ++m) sum += count(planned(local, m), kind);
    return sum;
  }

  /// Where the buffers of a stage are for a micro-batch: calls f(first byte in the activations, bytes).
  template <class F>
  void each_buffer(const F& f) const {
    for (std::size_t local = 0; local < stages_.size(); ++local)
      for (int m = 0; m < setup_.table.microbatches; ++m) {
        const std::span<const std::size_t> offsets = layout_.offsets(local, static_cast<std::size_t>(m));
        for (const buffer& b : planned(local, m).steps.buffers)
          f(offsets[static_cast<std::size_t>(b.region)] + b.offset, b.bytes);
      }
  }

 private:
  void receive(int k) override { transport_.receive(local_, microbatch_, k); }
  void send(int k) override { transport_.send(local_, microbatch_, k); }
  void await_gradients() {
    const core::list<stage_port>& ports = running_->planned().ports;
    for (int k = 0; k < ports.count(); ++k)
      if (ports[k].is_gradient && ports[k].receives()) receive(k);
  }
  void note_beginning(int number) {
    if (how_.trace != nullptr)
      traced_section(running_->planned().steps.actions, section_).note_beginning(*how_.trace, number, makes_final_);
  }
  void after(int number) override {
    transport_.progress();
    note_beginning(number + 1);
    if (!makes_final_ || how_.listener == nullptr) return;
    const action& a = running_->planned().steps.actions[number];
    if (a.kind == action_kind::backward_parameters || a.kind == action_kind::backward)
      how_.listener->final_gradients(setup_.checkpointed->operations[a.operation]);
  }

  /// Reads that begin before the task that needs them.
  struct ahead {
    int position = 0;
    std::size_t local = 0;
    int microbatch = 0;
  };
  void find_reads_ahead() {
    for (std::size_t local = 0; local < stages_.size(); ++local)
      for (int m = 0; m < setup_.table.microbatches; ++m)
        for (const plan_region& each : planned(local, m).regions) {
          if (each.tasks_ahead == 0) continue;
          const int begin = begin_of_region(each, positions_, stages_.number(local), m);
          if (begin < positions_.position_of(pass_kind::backward_input, stages_.number(local), m))
            reads_ahead_.push_back({begin, local, m});
        }
  }
  void read_ahead(const ahead& each) {
    find_bases(each.local, each.microbatch);
    stages_.executor_of(each.local, each.microbatch).read_ahead(static_cast<std::size_t>(each.microbatch), bases_);
  }

  void find_bases(std::size_t local, int microbatch) {
    bases_.clear();
    for (const std::size_t offset : layout_.offsets(local, static_cast<std::size_t>(microbatch)))
      bases_.push_back(activations_ + offset);
  }
  void bind_running() {
    find_bases(local_, microbatch_);
    running_->bind(bases_, kernels_ + packed_at_[local_][setup_.is_larger(microbatch_)], kernels_ + packed_bytes_);
  }
  void count_executed() {
    for (std::size_t k = 0; k < action_kinds; ++k) executed_[k] += running_->executed()[k] - before_[k];
  }

  pipeline_setup setup_;
  task_positions positions_;
  local_stages stages_;
  pipeline_transport transport_;
  rank_layout layout_;
  regions needed_;
  // Packed weights that are kept, of each stage for its micro-batches and the larger ones; and of all.
  std::vector<std::array<std::size_t, 2>> packed_at_;
  std::size_t packed_bytes_ = 0;
  std::byte *activations_ = nullptr, *kernels_ = nullptr;
  std::vector<std::byte*> bases_;
  std::vector<ahead> reads_ahead_;
  action_counts executed_ = {}, before_ = {};

  // What runs now.
  step how_;
  executor* running_ = nullptr;
  std::size_t local_ = 0;
  int microbatch_ = 0;
  section section_ = {};
  bool makes_final_ = false;  // gradients of parameters, in the last micro-batch
};

}  // namespace remat
