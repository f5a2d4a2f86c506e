// SPDX-License-Identifier: MIT
/// The tape: what a step does, in order, and the buffers that it does it in.
///
/// | action                | runs                                                                          |
/// |-----------------------|-------------------------------------------------------------------------------|
/// | `load`                | the user's tensor into its buffer, before its first reader                    |
/// | `pack`                | a kernel's parameters into the layout that it wants: written into the tape    |
/// |                       | when kernels are prepared (run/pack_actions.hpp)                              |
/// | `receive`             | waits for a tensor, or a gradient, of another stage (see ports.hpp)           |
/// | `send`                | gives one to other stages                                                     |
/// | `forward`             | an operation, for the first time                                              |
/// | `update_state`        | what a module remembers of its first forward pass                             |
/// | `store`               | a tensor into the form in which it waits for backward (see stored_tensors.hpp)|
/// | `restore`             | the tensor out of it                                                          |
/// | `begin_write`         | begins to write a tensor (its input) out of the arena (see transfers.hpp); its|
/// |                       | output, of 0 bytes, is what is there                                          |
/// | `finish_write`        | waits until it is written; up to here its input's memory is the transfer's    |
/// | `begin_read`          | begins to read it (its input) into a new buffer, its output                   |
/// | `finish_read`         | waits until the output is there; before, nobody touches it                    |
/// | `recompute`           | the same kernel on the same shapes, again                                     |
/// | `seed`                | the gradient of the loss: 1, or the micro-batch's share of the batch          |
/// | `load_gradient`       | the user's gradient of an output, where there is no loss                      |
/// | `differentiate`       | a fused activation's backward, in the gradient's own buffer                   |
/// | `copy_gradient`       | a gradient of its own for a tensor that shared one (see gradient_writer.hpp)  |
/// | `add_gradient`        | the gradient that an addition passes on, to one that is there                 |
/// | `backward_parameters` | the gradients of an operation's parameters; first, so that what only it reads |
/// |                       | is dropped before the gradient of the input is made                           |
/// | `backward_input`      | the gradients of its inputs                                                   |
/// | `backward`            | both halves at once, of an operation that can                                 |
/// | `clear_gradient`      | zeros, for a place of a parameter that no gradient reaches                    |
/// | `sum_places`          | the gradients of all places of a shared parameter, in the order of the program|
/// | `update`              | a parameter, in a step that updates (see parameter_updates.hpp)               |
/// | `fetch`               | reads a result: the loss, an output, or the gradient of an input              |
///
/// A buffer is one instance of a tensor or of a gradient: a recomputation makes a new one. It lives from the action
/// that writes it first to the one that reads it last, so that dropping needs no action.
///
/// A tape is a list of sections, each of which runs in one go. Between two of them a pipeline does other things, so
/// that what one section makes and another reads is kept meanwhile: where a buffer is follows from the first and the
/// last section that use it (plan_layout.hpp).
///
/// | tape                               | its sections                                            |
/// |------------------------------------|---------------------------------------------------------|
/// | of inference                       | forward                                                 |
/// | of training                        | forward, backward                                       |
/// | the same, with its backward halved | forward, backward of inputs, backward of parameters     |
#pragma once

#include <remat/core/alignment.hpp>
#include <remat/core/list.hpp>
#include <remat/model/program.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace remat {

enum class action_kind : std::uint8_t {
  load,
  pack,
  receive,
  send,
  forward,
  update_state,
  store,
  restore,
  begin_write,
  finish_write,
  begin_read,
  finish_read,
  recompute,
  seed,
  load_gradient,
  differentiate,
  copy_gradient,
  add_gradient,
  backward_parameters,
  backward_input,
  backward,
  clear_gradient,
  sum_places,
  update,
  fetch
};
inline constexpr std::size_t action_kinds = static_cast<std::size_t>(action_kind::fetch) + 1;

struct action {
  action_kind kind = action_kind::forward;
  int operation = core::none;
  core::short_list<int, operation::max_tensors> inputs = {}, outputs = {},
                                                saved = {};  ///< buffers; `none` where not touched
  core::short_list<int, operation::max_tensors> input_gradients = {}, output_gradients = {};  ///< buffers
  bool accumulates[operation::max_tensors] = {};                                              ///< per input gradient
  int parameter = core::none;  ///< the slot whose gradient is cleared or summed, or whose parameter is updated
};

struct buffer {
  int tensor = core::none;
  bool is_gradient = false;
  std::size_t bytes = 0;                      ///< as used
  int first = core::none, last = core::none;  ///< actions
  int allocation = core::none;         ///< the buffer whose memory it uses: itself, unless an operation runs in place
  int region = 0;                      ///< of the plan (see plan_layout.hpp)
  std::size_t offset = 0;              ///< in its region
  int port = core::none;               ///< of the slice, where it is received or sent
  int parameter = core::none;          ///< the slot whose gradient it is; then it is of no tensor
  const storage_form* form = nullptr;  ///< in which it holds the tensor; null: as it was computed
};

/// Actions that run in one go.
struct section {
  std::string_view name = {};
  int first = 0, last = 0;  ///< actions [first, last)
};
/// The numbers of the sections of a tape. One whose backward is not halved has both halves in `backward_section`.
inline constexpr int forward_section = 0, backward_section = 1, parameters_section = 2;

struct tape {
  core::list<action> actions = {};
  core::list<buffer> buffers = {};
  core::list<section> sections = {};
  /// The buffer of each parameter slot's gradient, or `none`. Empty where gradients of parameters are no buffers.
  core::list<int> parameter_gradients = {};
  /// Buffers begin at multiples of this: where some are written out of the arena, of `transfer_alignment`.
  std::size_t alignment = remat::alignment;
  bool has_transfers = false;  ///< some tensors leave the arena and come back

  /// The number of the section that an action belongs to.
  constexpr int section_of(int action) const {
    int number = 0;
    while (number + 1 < sections.count() && action >= sections.data()[number].last) ++number;
    return number;
  }
  /// Where the actions of a section end; 0 where there is none.
  constexpr int end_of(int section) const { return section < sections.count() ? sections.data()[section].last : 0; }
};

}  // namespace remat
