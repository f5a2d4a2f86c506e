// SPDX-License-Identifier: MIT
/// Products of bfloat16 where the CPU multiplies float32 faster, or bfloat16 not at all (nn/onednn_instructions.hpp).
/// Tensors stay of two bytes, in memory and in plans: an operation's kernels for float32 run on widened copies in its
/// scratch, and what they write there is rounded once. Where samples may be computed apart
/// (`traits::computes_samples_apart`), this is done for a few at a time, as many as divide the batch and stay in the
/// cache. An attention, or a batch of a large prime number of samples, has copies of the whole.
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/kernel.hpp>
#include <remat/model/program.hpp>
#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/onednn_instructions.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace remat {

/// What an operation has prepared for float32, and room for its tensors of bfloat16 as floats.
class widened_operation : public prepared {
 public:
  /// Whether an operation is widened on this CPU.
  static bool is_widened(const operation& o) {
    return o.compute == element::bfloat16 && o.is.multiplies_bfloat16 && !onednn::multiplies_bfloat16();
  }

  /// `p` is what its kernels would be told if they multiplied bfloat16.
  widened_operation(const operation& o, preparation p)
      : inputs_(widened(p.inputs)),
        outputs_(widened(p.outputs)),
        backward_reads_(o.backward_input_reads | o.backward_parameters_reads),
        batch_(p.batch) {
    if (may_be_cut(o, p)) batch_ = part_of_batch(p.batch, rooms(p, 1).most());
    const rooms_of_passes room = rooms(p, batch_);
    const bool has_parts = batch_ < p.batch && p.backward_parameters && !p.accumulates_parameters;
    p.inputs = inputs_;
    p.outputs = outputs_;
    p.input_gradients = p.output_gradients = {};
    p.compute = element::float32;
    p.batch = batch_;
    if (o.kernels->prepare != nullptr) state_ = o.kernels->prepare(p);
    if (state_ != nullptr) packed = state_->packed;
    p.accumulates_parameters = true;
    if (has_parts && state_ != nullptr) adding_ = o.kernels->prepare(p);
    reserve(passes::pack, 0);
    reserve(passes::forward | passes::update_state, room.forward);
    reserve(passes::backward_parameters, room.parameters);
    reserve(passes::backward_input | passes::backward, room.input);
  }

  /// Calls f(a call of floats) for the whole batch or its parts, and rounds what that has written. `pass` is that of
  /// the call.
  template <class F>
  void run(const kernel_call& whole, passes pass, const F& f) const {
    for (std::size_t first = 0; first < whole.batch; first += batch_) {
      kernel_call c = whole;
      if (first > 0) {
        for (int i = 0; i < c.input_count; ++i) {
          advance(c.inputs[i], first, *c.input_shapes[i], c.input_shapes[i]->type);
          advance(c.input_gradients[i], first, *c.input_shapes[i], c.input_gradient_types[i]);
        }
        for (int i = 0; i < c.output_count; ++i) {
          advance(c.outputs[i], first, *c.output_shapes[i], c.output_shapes[i]->type);
          advance(c.output_gradients[i], first, *c.output_shapes[i], c.output_gradient_types[i]);
        }
        c.accumulates_parameters = true;
      }
      c.batch = batch_;
      c.state = first > 0 && adding_ != nullptr ? adding_.get() : state_.get();
      run_part(c, pass, f);
    }
  }
  /// The call that packs weights.
  kernel_call packing(const kernel_call& whole) const {
    kernel_call c = whole;
    c.state = state_.get();
    return c;
  }

 private:
  /// Bytes of the rooms that passes need.
  struct rooms_of_passes {
    std::size_t forward = 0, parameters = 0, input = 0;

    /// `input` is at least `parameters`.
    std::size_t most() const { return forward > input ? forward : input; }
  };
  rooms_of_passes rooms(const preparation& p, std::size_t batch) const {
    rooms_of_passes made;
    const auto add = [&](const tensor_shape& shape, bool is_read, element of_gradient, bool is_input) {
      const std::size_t values = room_of(shape, shape.type, batch), gradient = room_of(shape, of_gradient, batch);
      made.forward += values;
      made.parameters += (is_read ? values : 0) + (is_input ? 0 : gradient);
      made.input += (is_read ? values : 0) + gradient;
    };
    for (std::size_t i = 0; i < p.inputs.size(); ++i)
      add(p.inputs[i], backward_reads_.reads_input(static_cast<int>(i)), p.input_gradient_type(i), true);
    for (std::size_t i = 0; i < p.outputs.size(); ++i)
      add(p.outputs[i], backward_reads_.reads_output(static_cast<int>(i)), p.output_gradient_type(i), false);
    return made;
  }
  static bool may_be_cut(const operation& o, const preparation& p) {
    const auto is_of_samples = [](const tensor_shape& s) { return s.per_sample; };
    return o.is.computes_samples_apart && o.saved.size == 0 && !o.updates_state &&
           std::ranges::all_of(p.inputs, is_of_samples) && std::ranges::all_of(p.outputs, is_of_samples);
  }
  /// How many samples at a time, all parts alike, so that kernels are made once; at least a few.
  static std::size_t part_of_batch(std::size_t batch, std::size_t bytes_of_a_sample) {
    constexpr std::size_t cached = std::size_t{4} << 20, fewest = 4;
    std::size_t least = batch;
    for (std::size_t parts = 1; batch / parts >= fewest; ++parts) {
      if (batch % parts != 0) continue;
      least = batch / parts;
      if (least * bytes_of_a_sample <= cached) break;
    }
    return least;
  }

  template <class F>
  void run_part(kernel_call c, passes pass, const F& f) const {
    const bool is_backward = !pass.overlap(passes::forward | passes::update_state);
    std::array<std::pair<const_numbers, numbers>, 2 * kernel_call::max_tensors> rounded;  // from rooms
    std::size_t count = 0;
    const kernel_call given = c;
    const auto room = [&](std::byte*& address, const tensor_shape& shape, element type) -> numbers {
      if (address == nullptr || type != element::bfloat16) return {};
      const numbers made{c.scratch, shape.elements(c.batch), element::float32};
      c.scratch += room_of(shape, type, c.batch);
      address = made.data;
      return made;
    };
    const auto widen = [&](std::byte*& address, const tensor_shape& shape, element type) {
      const const_numbers from{address, shape.elements(c.batch), type};
      if (const numbers to = room(address, shape, type); to.data != nullptr) nn::copy_numbers(from, to);
    };
    const auto round_from_room = [&](std::byte*& address, const tensor_shape& shape, element type) {
      const numbers to{address, shape.elements(c.batch), type};
      if (const numbers from = room(address, shape, type); from.data != nullptr) rounded[count++] = {from, to};
    };
    for (int i = 0; i < c.input_count; ++i) {
      const tensor_shape& x = *given.input_shapes[i];
      if (!is_backward || backward_reads_.reads_input(i)) widen(c.inputs[i], x, x.type);
      if (is_backward) round_from_room(c.input_gradients[i], x, given.input_gradient_types[i]);
      c.input_shapes[i] = &inputs_[static_cast<std::size_t>(i)];
      c.input_gradient_types[i] = element::float32;
    }
    for (int i = 0; i < c.output_count; ++i) {
      const tensor_shape& y = *given.output_shapes[i];
      if (pass.overlap(passes::forward)) round_from_room(c.outputs[i], y, y.type);
      if (is_backward ? backward_reads_.reads_output(i) : pass.overlap(passes::update_state))
        widen(c.outputs[i], y, y.type);
      if (is_backward) widen(c.output_gradients[i], y, given.output_gradient_types[i]);
      c.output_shapes[i] = &outputs_[static_cast<std::size_t>(i)];
      c.output_gradient_types[i] = element::float32;
    }
    f(std::as_const(c));
    for (std::size_t i = 0; i < count; ++i) nn::copy_numbers(rounded[i].first, rounded[i].second);
  }

  static std::vector<tensor_shape> widened(tensor_shapes all) {
    std::vector<tensor_shape> made(all.begin(), all.end());
    for (tensor_shape& s : made)
      if (s.type == element::bfloat16) s.type = element::float32;
    return made;
  }
  static void advance(std::byte*& address, std::size_t samples, const tensor_shape& shape, element type) {
    if (address != nullptr) address += shape.elements(samples) * size_of(type);
  }
  static std::size_t room_of(const tensor_shape& shape, element type, std::size_t batch) {
    return type == element::bfloat16 ? aligned(shape.elements(batch) * sizeof(float)) : 0;
  }
  void reserve(passes some, std::size_t rooms) {
    std::size_t own = 0;
    for (const auto* each : {&state_, &adding_})
      if (*each != nullptr && (*each)->scratch_of(some) > own) own = (*each)->scratch_of(some);
    need_scratch(some, rooms + own);
  }

  std::vector<tensor_shape> inputs_, outputs_;
  reads backward_reads_;                      // of either half
  std::size_t batch_;                         // of a part
  std::unique_ptr<prepared> state_, adding_;  // of a part; of those after the first, where only they add to gradients
};

}  // namespace remat
