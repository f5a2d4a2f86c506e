// SPDX-License-Identifier: MIT
/// The gradients of a model's parameters that outlive a step, in one block, and whose they are.
///
/// The block takes memory when somebody first needs it: a step without an optimizer, a step whose gradients are
/// accumulated, clipped or reduced, or who asks for a gradient. A step that updates each parameter itself, in one
/// micro-batch, does without.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/error.hpp>
#include <remat/core/kernel_call.hpp>
#include <remat/model/program.hpp>
#include <remat/run/memory_block.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace remat {

/// Why gradients are kept in a block.
enum class gradient_need : std::uint8_t {
  steps_apart,
  microbatches,
  all_at_once,
  replicas,
  stages,
  failing_steps,
  reading
};
inline constexpr std::array<std::string_view, 7> gradient_need_names = {"steps without an optimizer",
                                                                        "micro-batches, which add theirs",
                                                                        "clipping, which looks at all of them",
                                                                        "replicas, which sum them",
                                                                        "stages of a pipeline",
                                                                        "steps that may fail (offload, verified)",
                                                                        "who reads or writes them"};

class kept_gradients {
 public:
  /// Of the slots that `is_wanted(slot)`; those of the others are empty.
  template <class Wanted>
  kept_gradients(const core::list<parameter_slot>& slots, const Wanted& is_wanted) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      sizes_.push_back(is_wanted(i) ? slots[i].declared.elements() : 0);
      bytes_ += aligned(sizes_.back() * sizeof(float));
    }
    spans_.resize(sizes_.size());
  }
  kept_gradients(const kept_gradients&) = delete;  // kernels know where its spans are
  kept_gradients& operator=(const kept_gradients&) = delete;

  /// Elements of a slot's gradient, whether or not there is memory for it.
  std::size_t size(std::size_t slot) const { return sizes_[slot]; }
  /// The gradients of the slots of one operation; each is empty while the block has no memory.
  value_spans spans(int first, int count) const { return part_of(spans_, first, count); }

  /// Takes memory, all zero, where there is none yet. What needs it is remembered, for reports.
  void provide(gradient_need why) {
    needs_[static_cast<std::size_t>(why)] = true;
    provide();
  }
  void provide() {
    if (block_.size() == bytes_) return;
    block_ = memory_block(bytes_);
    std::byte* next = block_.data();
    for (std::size_t i = 0; i < spans_.size(); ++i) {
      if (sizes_[i] == 0) continue;
      spans_[i] = {reinterpret_cast<float*>(next), sizes_[i]};
      next += aligned(spans_[i].size_bytes());
    }
  }
  /// Gives the memory back; what has needed it is forgotten.
  void release() {
    block_ = memory_block();
    spans_.assign(spans_.size(), {});
    needs_ = {};
  }
  std::span<std::byte> bytes() {
    provide_to_readers();
    return block_.bytes();
  }
  /// What it takes where it has memory.
  std::size_t size_bytes() const { return bytes_; }
  /// What it takes now.
  std::size_t held_bytes() const { return block_.size(); }
  /// What has needed it so far, in words.
  std::string needed_for() const {
    std::string text;
    for (std::size_t k = 0; k < needs_.size(); ++k)
      if (needs_[k]) text += (text.empty() ? "" : "; ") + std::string(gradient_need_names[k]);
    return text;
  }

  /// Gradients are now those of no batch: a step has begun, or was refused.
  void drop() { of_ = source::a_refused_step; }
  /// They are those of a batch.
  void accept() { of_ = source::a_step; }
  /// A step has updated the parameters and has left none.
  void use_up() { of_ = source::none_left; }

  /// Throws `error` where they are those of no batch.
  void require() const {
    if (of_ == source::no_step)
      throw error("this model has no gradients yet; make them with train_step (or backward) first");
    if (of_ == source::a_refused_step)
      throw error("the last step was refused and has left no gradients; make them with train_step (or backward) first");
    require_kept();
  }
  /// Throws `error` where a step has used them up.
  void require_kept() const {
    if (of_ == source::none_left)
      throw error(
          "the last step has updated the parameters itself and has left no gradients: it was given the optimizer; to "
          "have gradients after a step, call train_step without the optimizer, and the optimizer's step after it");
  }
  /// The gradient of a slot, for who reads or writes it after a step.
  std::span<float> at(std::size_t slot) {
    if (sizes_[slot] == 0) return {};
    require_kept();
    provide_to_readers();
    return spans_[slot];
  }

 private:
  /// Who reads what is there does not need it.
  void provide_to_readers() {
    if (block_.size() != bytes_) provide(gradient_need::reading);
  }

  enum class source : std::uint8_t { no_step, a_refused_step, a_step, none_left };

  memory_block block_;
  std::size_t bytes_ = 0;
  std::vector<std::size_t> sizes_;
  std::vector<std::span<float>> spans_;
  std::array<bool, gradient_need_names.size()> needs_ = {};
  source of_ = source::no_step;
};

/// The gradient of a parameter as a model shows it: a span of its elements, which throws `error` where it is asked for
/// them after a step that has left none. A frozen parameter's is empty.
class parameter_gradient {
 public:
  parameter_gradient() = default;
  parameter_gradient(kept_gradients& block, std::size_t slot) : block_(&block), slot_(slot) {}

  std::size_t size() const { return block_ == nullptr ? 0 : block_->size(slot_); }
  std::size_t size_bytes() const { return size() * sizeof(float); }
  bool empty() const { return size() == 0; }

  /// The elements; the others below are those of this span.
  std::span<float> values() const { return block_ == nullptr ? std::span<float>() : block_->at(slot_); }
  operator std::span<float>() const { return values(); }
  operator std::span<const float>() const { return values(); }
  float* data() const { return values().data(); }
  float* begin() const { return data(); }
  float* end() const { return data() + size(); }
  float& operator[](std::size_t i) const { return data()[i]; }
  float& front() const { return data()[0]; }
  float& back() const { return data()[size() - 1]; }

 private:
  kept_gradients* block_ = nullptr;
  std::size_t slot_ = 0;
};

}  // namespace remat
