// SPDX-License-Identifier: MIT
/// The module contract: what a layer of a user's own consists of.
///
///     struct leaky_relu : remat::module {
///       static constexpr std::string_view kind = "leaky_relu";
///       template <class X>
///       static X output(X);                                             // the shape law, as a declaration
///       static constexpr auto backward_input_reads = remat::reads::inputs;
///
///       static void forward(const remat::forward_pass& pass) { ... pass.input(), pass.output() ... }
///       static void backward_input(const remat::backward_pass& pass) { ... pass.input_gradient().assign(...) ... }
///     };
///
/// What `output` takes and gives says how it is in memory: `tensor<T, ...>` is row-major, (N, ...), `image<T, C, H, W>`
/// channels-last, (N, H, W, C). A layer for both takes any X, as this one does, or declares `output` for each.
///
/// Minimal complete definition: `kind`, `output`, `forward`. Then, as needed:
///
/// | member                                        | meaning                                                        |
/// |-----------------------------------------------|----------------------------------------------------------------|
/// | `backward_input_reads`, `backward_parameters_reads` | what each half reads, with the outputs' gradients        |
/// | `parameters`                                  | `std::array` of `remat::parameter`                             |
/// | `states`                                      | likewise, for what is not trained: statistics, counters        |
/// | `saved_shape(inputs...)`                      | extra tensors that forward leaves for backward, like `output`: |
/// |                                               | `pass.saved(i)` of a `pass.saved_shape(i)` in either direction |
/// | `kernels`                                     | the type with the kernel functions, where it is not the module |
/// | `kernels_on_kept_states`,                     | kernels that use the states in training, too, and leave them:  |
/// | `frozen_kernels_on_kept_states`               | under `running_statistics`. They save nothing; backward reads  |
/// |                                               | the inputs or, in the second, of frozen parameters, nothing    |
/// | `attributes`                                  | a constexpr value that the kernels read                        |
/// | `flops(inputs, outputs)`                      | of one sample's forward pass, from their `tensor_shapes`;      |
/// |                                               | default: one per element of the first output                   |
/// | `table_bytes(inputs)`                         | that kernels keep outside of the arena, shared by layers of    |
/// |                                               | equal `attributes` and `table_bytes`: `memory()` counts them   |
/// | `is`, or `is(inputs...)`                      | the facts about it, a `remat::traits` (core/traits.hpp):       |
/// |                                               | `static constexpr remat::traits is{.in_place = true};`         |
///
/// A loss also has
///
/// | member                                        | meaning                                                        |
/// |-----------------------------------------------|----------------------------------------------------------------|
/// | `target(outputs...)`                          | its targets for these outputs of a model, like `output`; its    |
/// |                                               | inputs are the outputs, then the targets                        |
/// | `counted(const target_pass&)`                 | a double: how much of a (micro-)batch counts in its mean;       |
/// |                                               | default: the number of samples                                  |
///
/// and gives the mean over what counts in its micro-batch, NaN where nothing does. A batch in several micro-batches, on
/// several replicas, has the mean over all of it: the mean of each counts as much as `counted` says, which must be what
/// the loss divides by, and add up over samples. Where nothing counts, backward must give gradients of 0: the output's
/// gradient is 0 then, and is not to be divided by what counts.
///
/// A micro-batch that counts 0 has no mean, and is left out. Where its targets may add to the loss all the same (label
/// smoothing of targets with weights of 0), or are to make it NaN, the trait is `.divides_by_counted_in_batch = true`:
/// the loss gives its sum over `pass.counted_in_batch()`, which is what `counted` adds up to in the whole batch, and its
/// gradients are divided by that, too. A pass without it has the whole batch, and the loss divides by what it counts
/// itself. The loss of the batch is then the sum of what its micro-batches give, and the output's gradient is 1 in all
/// of them. Targets that are ignored have gradients of 0 whatever the divisor is.
///
/// A module may instead name a `body`, a model of its own that it is.
#pragma once

#include <remat/core/declared_names.hpp>
#include <remat/core/kernel_table.hpp>
#include <remat/core/parameter.hpp>
#include <remat/core/tensor.hpp>
#include <remat/core/traits.hpp>

#include <cstdint>

namespace remat {

/// The base of every module: empty, there so that `|` is found and a type can say that it means to be a module. What
/// does not say what it `is` has no facts.
struct module {
  static constexpr traits is{};
};

/// Which tensors of an operation a backward half reads, one bit for each.
struct reads {
  std::uint8_t input_bits = 0, output_bits = 0, saved_bits = 0;

  struct all_saved;
  static const reads nothing, inputs, outputs;
  static const all_saved saved;  ///< all of them; `saved(i)` is one

  static constexpr reads input(int i) { return {static_cast<std::uint8_t>(1u << i), 0, 0}; }
  static constexpr reads output(int i) { return {0, static_cast<std::uint8_t>(1u << i), 0}; }

  friend constexpr reads operator|(reads a, reads b) {
    return {static_cast<std::uint8_t>(a.input_bits | b.input_bits),
            static_cast<std::uint8_t>(a.output_bits | b.output_bits),
            static_cast<std::uint8_t>(a.saved_bits | b.saved_bits)};
  }
  constexpr bool reads_input(int i) const { return (input_bits >> i & 1) != 0; }
  constexpr bool reads_output(int i) const { return (output_bits >> i & 1) != 0; }
  constexpr bool reads_saved(int i) const { return (saved_bits >> i & 1) != 0; }
};
inline constexpr reads reads::nothing{};
inline constexpr reads reads::inputs{0xff, 0, 0};
inline constexpr reads reads::outputs{0, 0xff, 0};
struct reads::all_saved : reads {
  constexpr reads operator()(int i) const { return {0, 0, static_cast<std::uint8_t>(1u << i)}; }
};
inline constexpr reads::all_saved reads::saved{{0, 0, 0xff}};

/// A type that means to be a module: it derives from `remat::module`. (std::derived_from instantiates six classes more
/// for each type that it is asked about.)
template <class M>
concept Module = requires(M* m, const module*& base) { base = m; };

/// A module that computes something itself (it is no container).
template <class M>
concept Layer = Module<M> && requires { M::kind; } && detail::DeclaresOutput<M> &&
                (requires { &M::forward; } || requires { typename M::kernels; });

/// A module that is a model of its own.
template <class M>
concept Block = Module<M> && requires { typename M::body; };

/// M has an output for these inputs.
template <class M, class... Inputs>
concept Accepts = requires { M::output(Inputs{}...); };

template <class M, class... Inputs>
using output_of = decltype(M::output(Inputs{}...));

}  // namespace remat
