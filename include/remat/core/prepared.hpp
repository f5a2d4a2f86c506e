// SPDX-License-Identifier: MIT
/// What a kernel prepares before any step: its primitives, and the memory that it needs in addition to its tensors. How
/// much that is depends on the CPU and on the number of threads; its lifetime is planned with the step.
///
///     scratch         of one call: undefined before it, and somebody else's after it
///     packed weights  a copy of parameters in the layout that some passes read. `pack` writes it, before each pass that
///                     reads it or once for several of them, as the plan chooses (run/packing.hpp): nobody else writes
///                     there in between, and nobody may change it but `pack`
///
/// A kernel with a copy for each direction says so, and writes the one that it is asked for:
///
///     struct primitives : remat::prepared {
///       explicit primitives(const remat::preparation& p) {
///         packed.push_back({bytes_of_forward, remat::passes::forward});
///         if (p.backward_input) packed.push_back({bytes_of_backward, remat::passes::backward_input});
///       }
///     };
///     static void pack(const remat::pack_pass& pass) { ... pass.copy(), pass.parameter(0), pass.packed() ... }
///     static void forward(const remat::forward_pass& pass) { ... pass.packed(0) ... }
#pragma once

#include <remat/core/activation.hpp>
#include <remat/core/tensor.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace remat {

/// Some passes of a kernel.
struct passes {
  std::uint8_t bits = 0;

  static const passes pack, forward, update_state, backward_parameters, backward_input, backward;
  /// Those that may read packed weights; `backward` runs instead of both halves, and reads what they read.
  static const passes all;

  constexpr bool overlap(passes other) const { return (bits & other.bits) != 0; }
  friend constexpr passes operator|(passes a, passes b) { return {static_cast<std::uint8_t>(a.bits | b.bits)}; }
};
inline constexpr passes passes::pack{1};
inline constexpr passes passes::forward{2};
inline constexpr passes passes::update_state{4};
inline constexpr passes passes::backward_parameters{8};
inline constexpr passes passes::backward_input{16};
inline constexpr passes passes::backward{32};
inline constexpr passes passes::all = forward | backward_parameters | backward_input | backward;

/// Packed weights of a kernel.
struct packed_copy {
  std::size_t bytes = 0;
  passes readers = passes::all;

  constexpr bool is_read_by(passes pass) const {
    return readers.overlap(pass) ||
           (pass.overlap(passes::backward) && readers.overlap(passes::backward_parameters | passes::backward_input));
  }
};

/// What a kernel made once when the plan was built.
class prepared {
 public:
  static constexpr std::size_t max_copies = 4;

  virtual ~prepared() = default;

  std::size_t scratch_bytes = 0;         ///< for each of its passes
  std::vector<packed_copy> packed = {};  ///< `pack` is called for each that a plan needs; at most 4

  /// These passes need this much scratch, where it is more than `scratch_bytes`.
  void need_scratch(passes some, std::size_t bytes) {
    for (std::size_t i = 0; i < kinds; ++i)
      if ((some.bits >> i & 1) != 0 && of_pass_[i] < bytes) of_pass_[i] = bytes;
  }
  /// The scratch of a pass; of several, of the one that needs most.
  std::size_t scratch_of(passes some = {0xff}) const {
    std::size_t most = scratch_bytes;
    for (std::size_t i = 0; i < kinds; ++i)
      if ((some.bits >> i & 1) != 0 && most < of_pass_[i]) most = of_pass_[i];
    return most;
  }

 private:
  static constexpr std::size_t kinds = 6;
  std::size_t of_pass_[kinds] = {};
};

/// What `prepare` is told of an operation.
struct preparation {
  const void* module_attributes = nullptr;
  tensor_shapes inputs, outputs, saved;
  std::span<const element> input_gradients, output_gradients;  ///< the types of these; none: float32
  std::size_t batch = 0;
  element compute = element::float32;  ///< what the kernel computes with
  bool training = true;
  activation activation_after = activation::none;  ///< fused into the operation: forward applies it to its output
  bool backward_input = false, backward_parameters = false;  ///< the plan runs this half
  bool accumulates_input = false;                            ///< some input gradient is added to what is there
  bool accumulates_parameters = false;                       ///< so are the parameters' gradients

  element input_gradient_type(std::size_t i = 0) const { return type_of(input_gradients, i); }
  element output_gradient_type(std::size_t i = 0) const { return type_of(output_gradients, i); }
  template <class Attributes>
  const Attributes& attributes() const {
    return *static_cast<const Attributes*>(module_attributes);
  }

 private:
  static element type_of(std::span<const element> gradients, std::size_t i) {
    return i < gradients.size() ? gradients[i] : element::float32;
  }
};

}  // namespace remat
