// SPDX-License-Identifier: MIT
/// What a tape has out of the arena: where each tensor is in its storage space, and the transfers that are under way.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/error.hpp>
#include <remat/core/storage_setting.hpp>
#include <remat/plan/module_paths.hpp>
#include <remat/plan/tape.hpp>
#include <remat/run/storage_spaces.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace remat {

/// Where the tensors of an executor wait that leave the arena.
struct outside_places {
  std::shared_ptr<storage_spaces> spaces = {};  ///< null: the executor's own, in the temporary directory
  std::size_t microbatches = 1;                 ///< that wait at once
};

class outside_tensors {
 public:
  outside_tensors(const program& p, const tape& steps, std::size_t batch, outside_places places)
      : program_(&p), places_(std::move(places)), of_buffer_(steps.buffers.size()) {
    if (places_.spaces == nullptr) places_.spaces = std::make_shared<storage_spaces>("");
    for (const action& a : steps.actions) {
      if (a.kind != action_kind::begin_write) continue;
      const buffer& stored = steps.buffers[a.outputs[0]];
      outside& here = of_buffer_[static_cast<std::size_t>(a.outputs[0])];
      here = {stored.form, stored.tensor, stored_.size(), microbatch_bytes_, p.bytes_of(stored.tensor, false, batch)};
      microbatch_bytes_ += aligned(here.bytes, transfer_alignment);
      stored_.push_back(a.outputs[0]);
    }
    distance_ = microbatch_bytes_;
    transfers_.resize(stored_.size() * places_.microbatches);
  }

  bool empty() const { return stored_.empty(); }
  /// Of one micro-batch.
  std::size_t bytes() const { return microbatch_bytes_; }
  /// Before the first step: executors whose tensors wait at the same time have them apart, from a byte on, and those of
  /// one stage have its micro-batches at the same distance.
  void place(std::size_t first_byte, std::size_t distance) {
    first_byte_ = first_byte;
    distance_ = distance;
  }

  /// Opens spaces, and takes room in them, before the first step.
  void prepare() {
    if (is_prepared_) return;
    for (const int b : stored_) {
      outside& here = at(b);
      here.space = &places_.spaces->of(*here.form);
      here.space->reserve(first_byte_ + distance_ * places_.microbatches, transfers_.size());
    }
    is_prepared_ = true;
  }

  /// Of the stored buffer b of a micro-batch.
  void begin_write(int b, std::size_t microbatch, const std::byte* from) {
    outside& here = at(b);
    transfer_of(here, microbatch).request = here.space->begin_write(at_byte(here, microbatch), {from, here.bytes});
  }
  void finish_write(int b, std::size_t microbatch) { finish(at(b), microbatch, "written"); }
  /// `is_ahead`: before the tape says so, where the read then finds that it has begun.
  void begin_read(int b, std::size_t microbatch, std::byte* to, bool is_ahead = false) {
    outside& here = at(b);
    transfer& own = transfer_of(here, microbatch);
    if (!own.has_begun) own.request = here.space->begin_read(at_byte(here, microbatch), {to, here.bytes});
    own.has_begun = is_ahead;
  }
  void finish_read(int b, std::size_t microbatch) { finish(at(b), microbatch, "read back"); }

  /// After a step that has failed: nothing is under way.
  void cancel() noexcept {
    for (const int b : stored_)
      if (storage_space* const space = at(b).space; space != nullptr) space->cancel();
    for (transfer& each : transfers_) each.has_begun = false;
  }

 private:
  struct outside {
    const storage_form* form = nullptr;
    int tensor = core::none;
    std::size_t number = 0;
    std::size_t offset = 0, bytes = 0;  // in what a micro-batch has there
    storage_space* space = nullptr;
  };
  /// The last one of a tensor and micro-batch.
  struct transfer {
    std::uint64_t request = 0;
    bool has_begun = false;  // ahead
  };

  outside& at(int b) { return of_buffer_[static_cast<std::size_t>(b)]; }
  std::size_t at_byte(const outside& here, std::size_t microbatch) const {
    return first_byte_ + distance_ * (microbatch % places_.microbatches) + here.offset;
  }
  transfer& transfer_of(const outside& here, std::size_t microbatch) {
    return transfers_[microbatch % places_.microbatches * stored_.size() + here.number];
  }
  void finish(const outside& here, std::size_t microbatch, const char* what) {
    try {
      here.space->finish(transfer_of(here, microbatch).request);
    } catch (const error& e) {
      throw offload_error(name_of(here) + " cannot be " + what + ": " + e.what());
    }
  }
  std::string name_of(const outside& here) const {
    const int producer = program_->producers[here.tensor];
    if (producer == core::none) return "input " + std::to_string(here.tensor);
    return "the activation of " + quoted_path(*program_, program_->operations[producer].node);
  }

  const program* program_;
  outside_places places_;
  std::vector<outside> of_buffer_;
  std::vector<int> stored_;          // buffers
  std::vector<transfer> transfers_;  // of each micro-batch that waits, and each of these
  std::size_t microbatch_bytes_ = 0, first_byte_ = 0, distance_ = 0;
  bool is_prepared_ = false;
};

}  // namespace remat
