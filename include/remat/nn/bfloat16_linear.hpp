// SPDX-License-Identifier: MIT
/// The three products of a linear layer, of factors of bfloat16 and sums of float32:
///
///     forward            y  = x W^T + b    x (rows, In) bfloat16, W (Out, In) rounded, b (Out) float32
///     input_gradient     dx = dy W         dy (rows, Out) bfloat16, or float32 that is rounded into scratch
///     weight_gradient    dW = dy^T x       (Out, In) float32
///
/// y and dx are of either type. W is rounded into packed weights (core/prepared.hpp): of few rows as it is stored, one copy
/// for both products, else as the second factor of either (packed_columns.hpp). x is packed so into scratch where W has
/// many outputs. GFLOP/s at 1 thread, as stored and packed (Zen 4, avx512_bf16; Sapphire Rapids, AMX, where x is not
/// packed):
///
/// | product                          | Zen 4 as stored | packed | Sapphire Rapids as stored | packed |
/// |----------------------------------|-----------------|--------|---------------------------|--------|
/// | forward 256 x 1024 x 1024        | 216             | 228    | 850                       | 946    |
/// | forward 1024 x 768 x 3072        | 220             | 227    | 904                       | 1066   |
/// | input_gradient 256 x 1024 x 1024 | 209             | 226    | 712                       | 974    |
/// | input_gradient 1024 x 768 x 3072 | 212             | 227    | 596                       | 789    |
/// | weight_gradient 1024 x 1024 x 256| 216             | 226    | 827                       | 929    |
/// | weight_gradient 768 x 3072 x 1024| 202             | 226    | 542                       | 685    |
///
/// Two threads gain 8 to 14 % of Zen 4's products of 256 rows, since each would copy what it multiplies. In float32 both
/// factors of the same layers reach 105 to 115 on Zen 4, 130 to 180 on Sapphire Rapids.
#pragma once

#include <remat/nn/copy_numbers.hpp>
#include <remat/nn/onednn_instructions.hpp>
#include <remat/nn/packed_columns.hpp>
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
  bfloat16_linear(prepared& state, const wanted& w) : bfloat16_linear(state, w, w.packs && chooses_layouts(w)) {}
  /// `chooses`: whether each product has weights in a layout of its choice, and not as they are stored.
  bfloat16_linear(prepared& state, const wanted& w, bool chooses)
      : own_(aligned(w.own)), rows_(w.rows), in_(w.in), out_(w.out), rounds_(w.dy == element::float32) {
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
    if (w.weight_gradient) {
      if (packs_x(w)) packed_x_ = {w.rows, w.in, false, rounded};
      weight_gradient_ =
          onednn::matrix_product(layout::transposed(w.out, w.rows).of(rounded), packed_x_ ? packed_x_.layout() : x,
                                 layout::row_major({w.out, w.in}), {.adds_to_destination = w.adds_weights});
    }
    if (w.packs)
      pack(state, forward_, {w.in, w.out, true, rounded}, weights,
           chooses || !w.input_gradient ? w.readers : w.readers | passes::backward_input);
    if (w.input_gradient && chooses)
      pack(state, input_gradient_, {w.out, w.in, false, rounded}, turned, passes::backward_input);
    const std::size_t before = own_ + rounded_bytes();
    reserve_scratch(state, w.readers, own_, forward_);
    if (w.input_gradient) reserve_scratch(state, passes::backward_input | passes::backward, before, input_gradient_);
    if (w.weight_gradient)
      reserve_scratch(state, passes::backward_parameters | passes::backward, before + packed_x_bytes(),
                      weight_gradient_);
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
        {{onednn::source, dy}, {onednn::weights, pass.packed(packs_[1].is_used() ? 1 : 0)}, {onednn::result, dx}});
  }
  void weight_gradient(const kernel_pass& pass, const std::byte* dy, const std::byte* x, float* dw) const {
    std::byte* const scratch = product_scratch(pass);
    if (packed_x_) packed_x_.pack({x, rows_ * in_, element::bfloat16}, scratch);
    weight_gradient_.execute(scratch + packed_x_bytes(),
                             {{onednn::source, dy}, {onednn::weights, packed_x_ ? scratch : x}, {onednn::result, dw}});
  }
  /// Rounds W for the products.
  void pack(const pack_pass& pass) const {
    const float* const weights = pass.parameter(0).data();
    const weight_packing& to = packs_[pass.copy()];
    if (to.columns)
      to.columns.pack({reinterpret_cast<const std::byte*>(weights), in_ * out_, element::float32}, pass.packed());
    else
      to.reorder.execute(pass.scratch(), {{onednn::source, weights}, {onednn::result, pass.packed()}});
  }

 private:
  std::size_t rounded_bytes() const { return rounds_ ? aligned(rows_ * out_ * sizeof(bfloat16)) : 0; }
  std::byte* product_scratch(const kernel_pass& pass) const { return pass.scratch() + own_ + rounded_bytes(); }
  std::size_t packed_x_bytes() const { return packed_x_ ? aligned(packed_x_.layout().bytes()) : 0; }
  /// Two copies of W take as long as the products of this many rows gain by them. With AMX, of few.
  static bool chooses_layouts(const wanted& w) {
    constexpr std::size_t fewest = 128;
    return onednn::instructions() == onednn::instruction_set::amx || w.rows >= fewest;
  }
  /// Whether x is packed for the gradient of the weights: where that has lines enough to gain more than packing takes,
  /// and x does not take much memory. With AMX it gains nothing.
  static bool packs_x(const wanted& w) {
    constexpr std::size_t fewest = 512, most = std::size_t{16} << 20;
    return onednn::instructions() == onednn::instruction_set::avx512 && w.out >= fewest &&
           w.rows * w.in * sizeof(bfloat16) <= most;
  }
  /// Room for the weights of a product, in panels of columns or another layout of oneDNN's.
  void pack(prepared& state, const onednn::primitive& product, const packed_columns& columns,
            const onednn::layout& stored, passes readers) {
    const onednn::layout packed = product.layout_of(onednn::weights);
    weight_packing& made = packs_[state.packed.size()];
    if (packed == columns.layout())
      made.columns = columns;
    else
      made.reorder = onednn::primitive::reorder(stored, packed);
    if (made.reorder) reserve_scratch(state, passes::pack, 0, made.reorder);
    state.packed.push_back({packed.bytes(), readers});
  }

  /// How W is packed: in one way or the other.
  struct weight_packing {
    packed_columns columns;
    onednn::primitive reorder;

    bool is_used() const { return columns || reorder; }
  };

  std::size_t own_ = 0, rows_ = 0, in_ = 0, out_ = 0;
  bool rounds_ = false;  // dy is of float32
  onednn::primitive forward_, input_gradient_, weight_gradient_;
  weight_packing packs_[2];
  packed_columns packed_x_;  // or nothing: x as it is stored
};

}  // namespace remat::nn::detail
