// SPDX-License-Identifier: MIT
/// The three products of a linear layer, of factors of bfloat16 and sums of float32:
///
///     forward            y  = x W^T + b    x (rows, In) bfloat16, W (Out, In) rounded, b (Out) float32
///     input_gradient     dx = dy W         dy (rows, Out) bfloat16, or float32 that is rounded into scratch
///     weight_gradient    dW = dy^T x       (Out, In) float32
///
/// y and dx are of either type. W is rounded into packed weights (core/prepared.hpp), once a step where the plan keeps
/// them. GFLOP/s at 1 thread of plain and of chosen layouts of W (Zen 5, avx512_bf16, `plain` as stored; Sapphire
/// Rapids, AMX):
///
/// | product                         | Zen 5 plain | chosen | Sapphire Rapids plain | chosen |
/// |---------------------------------|-------------|--------|-----------------------|--------|
/// | forward 256 x 1024 x 1024       | 539         | 562    | 850                   | 946    |
/// | forward 1024 x 768 x 3072       | 524         | 539    | 904                   | 1066   |
/// | input_gradient 256 x 1024 x1024 | 534         | 553    | 712                   | 974    |
/// | input_gradient 1024 x 768 x3072 | 529         | 538    | 596                   | 789    |
///
/// So one rounded copy as W is stored serves both products, but for cores with AMX, where each has a copy in the layout
/// that it chooses. In float32 both factors of the same layers reach 230 to 270 on Zen 5, 130 to 180 on Sapphire
/// Rapids.
#pragma once

#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/onednn_instructions.hpp>
#include <remat/nn/scratch.hpp>

#include <cstddef>

namespace remat::nn::detail {

class bfloat16_linear {
 public:
  /// What the layer is made for; a product that is not wanted is not made.
  struct wanted {
    std::size_t rows, in, out;
    bool has_bias = false;
    activation after = activation::none;
    element y = element::bfloat16, dy = element::bfloat16, dx = element::bfloat16;
    bool input_gradient = false, weight_gradient = false;
    bool adds_input = false, adds_weights = false;  ///< to the gradients
    passes readers = passes::forward;               ///< that run the forward product
    std::size_t own = 0;                            ///< bytes of scratch that the kernel itself uses before
    bool packs = true;                              ///< false: another one of the kernel has, as W is stored
  };

  bfloat16_linear() = default;
  bfloat16_linear(prepared& state, const wanted& w)
      : bfloat16_linear(state, w, w.packs && onednn::instructions() == onednn::instruction_set::amx) {}
  /// `chooses`: whether each product has weights in a layout of its choice.
  bfloat16_linear(prepared& state, const wanted& w, bool chooses)
      : own_(aligned(w.own)), rows_(w.rows), out_(w.out), rounds_(w.dy == element::float32) {
    using onednn::layout;
    constexpr element rounded = element::bfloat16;
    const layout x = layout::row_major({w.rows, w.in}).of(rounded), dy = layout::row_major({w.rows, w.out}).of(rounded),
                 weights = layout::transposed(w.in, w.out), turned = layout::row_major({w.out, w.in});
    const auto packed = [&](const layout& stored, std::initializer_list<std::size_t> extents) {
      return (chooses ? layout::chosen(extents) : stored).of(rounded);
    };
    forward_ = onednn::matrix_product(x, packed(weights, {w.in, w.out}), layout::row_major({w.rows, w.out}).of(w.y),
                                      {.after = w.after}, w.has_bias ? w.out : 0);
    if (w.input_gradient)
      input_gradient_ =
          onednn::matrix_product(dy, packed(turned, {w.out, w.in}), layout::row_major({w.rows, w.in}).of(w.dx),
                                 {.adds_to_destination = w.adds_input});
    if (w.weight_gradient)
      weight_gradient_ =
          onednn::matrix_product(layout::transposed(w.out, w.rows).of(rounded), x, layout::row_major({w.out, w.in}),
                                 {.adds_to_destination = w.adds_weights});
    if (w.packs)
      pack(state, forward_, weights, chooses || !w.input_gradient ? w.readers : w.readers | passes::backward_input);
    if (w.input_gradient && chooses) pack(state, input_gradient_, turned, passes::backward_input);
    const std::size_t before = own_ + rounded_bytes();
    reserve_scratch(state, w.readers, own_, forward_);
    if (w.input_gradient) reserve_scratch(state, passes::backward_input | passes::backward, before, input_gradient_);
    if (w.weight_gradient)
      reserve_scratch(state, passes::backward_parameters | passes::backward, before, weight_gradient_);
  }

  /// y from x, with weights that are packed.
  void forward(const kernel_pass& pass, const std::byte* x, const float* bias, std::byte* y) const {
    const onednn::primitive::argument source{onednn::source, x}, weights{onednn::weights, pass.packed(0)},
        result{onednn::result, y};
    std::byte* const scratch = pass.scratch() + own_;
    if (bias != nullptr)
      forward_.execute(scratch, {source, weights, {onednn::bias, bias}, result});
    else
      forward_.execute(scratch, {source, weights, result});
  }
  /// dy as the other two products read it: rounded into scratch where it is of float32.
  const std::byte* rounded(const kernel_pass& pass, const std::byte* dy) const {
    if (!rounds_) return dy;
    std::byte* const to = pass.scratch() + own_;
    copy_numbers({dy, rows_ * out_, element::float32}, {to, rows_ * out_, element::bfloat16});
    return to;
  }
  /// `dy` is what `rounded` has returned.
  void input_gradient(const kernel_pass& pass, const std::byte* dy, std::byte* dx) const {
    input_gradient_.execute(
        product_scratch(pass),
        {{onednn::source, dy}, {onednn::weights, pass.packed(packs_[1] ? 1 : 0)}, {onednn::result, dx}});
  }
  void weight_gradient(const kernel_pass& pass, const std::byte* dy, const std::byte* x, float* dw) const {
    weight_gradient_.execute(product_scratch(pass), {{onednn::source, dy}, {onednn::weights, x}, {onednn::result, dw}});
  }
  /// Rounds W for the products.
  void pack(const pack_pass& pass) const {
    packs_[pass.copy()].execute(pass.scratch(),
                                {{onednn::source, pass.parameter(0).data()}, {onednn::result, pass.packed()}});
  }

 private:
  std::size_t rounded_bytes() const { return rounds_ ? aligned(rows_ * out_ * sizeof(bfloat16)) : 0; }
  std::byte* product_scratch(const kernel_pass& pass) const { return pass.scratch() + own_ + rounded_bytes(); }
  /// Room for the weights of a product.
  void pack(prepared& state, const onednn::primitive& product, const onednn::layout& stored, passes readers) {
    const onednn::layout packed = product.layout_of(onednn::weights);
    onednn::primitive& rounding = packs_[state.packed.size()];
    rounding = onednn::primitive::reorder(stored, packed);
    reserve_scratch(state, passes::pack, 0, rounding);
    state.packed.push_back({packed.bytes(), readers});
  }

  std::size_t own_ = 0, rows_ = 0, out_ = 0;
  bool rounds_ = false;  // dy is of float32
  onednn::primitive forward_, input_gradient_, weight_gradient_, packs_[2];
};

}  // namespace remat::nn::detail
