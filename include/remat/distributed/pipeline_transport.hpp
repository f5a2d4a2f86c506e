// SPDX-License-Identifier: MIT
/// The messages of one rank in a pipeline's step.
///
/// They go straight from and into the arena: each (message, micro-batch) is a persistent request, prepared when the
/// arena is bound, and started when the rank's row says so. Between two stages of one rank a tensor is copied.
#pragma once

#include <remat/distributed/gradient_listener.hpp>
#include <remat/distributed/local_stages.hpp>
#include <remat/distributed/message_wait.hpp>
#include <remat/distributed/pipeline_trace.hpp>
#include <remat/partition/rank_layout.hpp>
#include <remat/schedule/message_slots.hpp>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace remat {

class pipeline_transport {
 public:
  /// Of the rank and the stages that the setup speaks of; both must outlive it.
  pipeline_transport(const pipeline_setup& setup, const local_stages& stages)
      : setup_(&setup),
        stages_(&stages),
        messages_(messages_of(*setup.checkpointed, setup.table.stages, setup.is_training)),
        times_(message_times(setup.table, nominal_clock(setup.table), between_stages(messages_))),
        slots_(setup.table, times_) {
    if (messages_.count() > setup.ranks->largest_tag())
      throw error("this pipeline has " + std::to_string(messages_.count()) + " messages, and MPI has tags for " +
                  std::to_string(setup.ranks->largest_tag()) + "; take fewer stages");
  }

  const core::list<pipeline_message>& messages() const { return messages_; }
  const message_timetable& times() const { return times_; }

  /// Moves to an arena that is laid out like this. No message may be under way.
  void bind(std::byte* activations, const rank_layout& layout) {
    activations_ = activations;
    layout_ = &layout;
    requests_.clear();
    requests_.resize(messages_.size() * static_cast<std::size_t>(setup_->table.microbatches));
    for (std::size_t local = 0; local < stages_->size(); ++local)
      for (int m = 0; m < setup_->table.microbatches; ++m)
        for (int k = 0; k < ports(local, m).count(); ++k) prepare(local, m, k);
    under_way_.clear();
    under_way_.reserve(requests_.size());
  }

  /// Before a step, when all messages of the last one are done. MPI's moments are the listener's, too.
  void begin(pipeline_trace* trace, gradient_listener* listener) {
    trace_ = trace;
    listener_ = listener;
    if (trace != nullptr) trace->waits.reserve(2 * requests_.size());
    under_way_.clear();
  }

  /// Before the task at this position of the row, and after the last: posts the receives whose time has come, and
  /// waits for the messages whose memory is needed again.
  void arrive_at(int position) {
    if (position < setup_->table.rows[setup_->rank].count())
      for (int i : slots_.posts(setup_->rank, position)) start(requests_[static_cast<std::size_t>(i)]);
    for (int i : slots_.waits(setup_->rank, position)) wait_for(requests_[static_cast<std::size_t>(i)]);
  }

  /// Waits until the tensor of port k of a stage is there.
  void receive(std::size_t local, int m, int k) {
    const stage_port& here = ports(local, m)[k];
    const int i = find_message(messages_, here, here.from, stages_->number(local));
    if (times_.is_sent(i)) wait_for(request_of(i, m));
  }
  /// Begins to send the tensor of port k of a stage to all who read it.
  void send(std::size_t local, int m, int k) {
    const stage_port& here = ports(local, m)[k];
    for (int to : here.to) {
      const int i = find_message(messages_, here, stages_->number(local), to);
      if (times_.is_sent(i))
        start(request_of(i, m));
      else
        hand_over(local, m, k, to);
    }
  }
  /// Tests requests that are under way, up to one that is not done: enough for MPI to go on with all.
  void progress() {
    while (!under_way_.empty() && under_way_.back()->is_done()) under_way_.pop_back();
    if (listener_ != nullptr) listener_->progress();
  }

 private:
  const core::list<stage_port>& ports(std::size_t local, int m) const { return stages_->planned(local, m).ports; }
  std::span<std::byte> memory(std::size_t local, int m, int k) const {
    const std::span<const std::size_t> offsets = layout_->offsets(local, static_cast<std::size_t>(m));
    const stage_port& port = ports(local, m)[k];
    return {activations_ + offsets[static_cast<std::size_t>(stages_->planned(local, m).region_of_port(k))],
            setup_->checkpointed->bytes_of(port.tensor, port.is_gradient, setup_->samples(m))};
  }
  mpi::request& request_of(int message, int m) { return requests_[times_.index(message, m)]; }

  void prepare(std::size_t local, int m, int k) {
    const stage_port& here = ports(local, m)[k];
    const int s = stages_->number(local);
    const mpi::communicator& ranks = *setup_->ranks;
    if (here.receives()) {
      const int i = find_message(messages_, here, here.from, s);
      if (times_.is_sent(i)) request_of(i, m) = ranks.prepare_receive(memory(local, m, k), times_.senders[i], i);
    }
    for (int to : here.to) {
      const int i = find_message(messages_, here, s, to);
      if (times_.is_sent(i)) request_of(i, m) = ranks.prepare_send(memory(local, m, k), times_.receivers[i], i);
    }
  }

  void start(mpi::request& r) {
    r.start();
    under_way_.push_back(&r);
  }
  void wait_for(mpi::request& r) {
    if (r.is_done()) return;
    if (trace_ != nullptr) trace_->begin_waiting();
    mpi::wait_until(setup_->waiting, [&] {
      progress();
      return r.is_done();
    });
    if (trace_ != nullptr) trace_->end_waiting();
  }
  /// To another stage of this rank.
  void hand_over(std::size_t local, int m, int k, int to) {
    const std::size_t reader = stages_->find(to);
    const stage_port& here = ports(local, m)[k];
    int there = 0;
    while (ports(reader, m)[there].tensor != here.tensor || ports(reader, m)[there].is_gradient != here.is_gradient)
      ++there;
    const std::span<const std::byte> from = memory(local, m, k);
    std::memcpy(memory(reader, m, there).data(), from.data(), from.size());
  }

  const pipeline_setup* setup_;
  const local_stages* stages_;
  core::list<pipeline_message> messages_;
  message_timetable times_;
  message_slots slots_;
  std::byte* activations_ = nullptr;
  const rank_layout* layout_ = nullptr;
  std::vector<mpi::request> requests_;    // of each message and micro-batch
  std::vector<mpi::request*> under_way_;  // some of them may be done
  pipeline_trace* trace_ = nullptr;
  gradient_listener* listener_ = nullptr;
};

}  // namespace remat
