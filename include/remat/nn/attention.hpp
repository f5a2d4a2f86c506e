// SPDX-License-Identifier: MIT
/// Scaled dot-product attention of several heads (Vaswani et al. 2017), tile by tile: no matrix of T x T numbers is
/// ever held, nor saved (FlashAttention, Dao et al. 2022; FlashAttention-2, Dao 2023).
///
///     forward   O = dropout(softmax(scale Q K^T)) V                    Q (T, d), K and V (S, d), of each head
///     backward  P = exp(scale (Q K^T - M)) R,  dV = P^T dO,  dS = P (dO V^T - D),  dQ = scale dS K,  dK = scale dS^T Q
///
/// Between the passes two numbers wait for each row of each head, M, its largest score, and R, 1 over the sum of the
/// exponentials of the distances from it. (One number, the logarithm of the sum of the exponentials of the scores,
/// would be as coarse as the scores are large: near 1,000, probabilities would be off by 3e-5.) D are the sums of dO O
/// over the rows, or, what is the same, of P dO V^T, where a tile has all keys: backward reads the inputs, the output,
/// which the projection after it keeps anyway, M and R, and computes probabilities again. Dropout draws its mask again,
/// and keeps none.
///
/// Every sum has one order, at any number of threads. Products are oneDNN's, on one thread each; heads and parts of the
/// sequence are spread over the threads.
///
/// A query that attends to no key has an output of 0, and gradients of 0.
#pragma once

#include <remat/core/module.hpp>
#include <remat/nn/attention_backward.hpp>
#include <remat/nn/attention_forward.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace remat::nn {

/// Options of attention, as PyTorch's `scaled_dot_product_attention` has them.
struct attention_options {
  bool causal = false;              ///< query t attends to keys 0 to t
  std::size_t key_value_heads = 0;  ///< of grouped queries (Ainslie et al. 2023); 0 for as many as heads
  double dropout = 0;               ///< the probability that a probability is 0 in training
  double scale = 0;                 ///< of the scores; 0 for 1 / sqrt(d)
};

namespace detail {

struct attention_kernels {
  static std::unique_ptr<prepared> prepare(const preparation& p) { return std::make_unique<prepared_attention>(p); }
  static void forward(const forward_pass& pass) { attention_forward(pass).run(); }
  static void backward_input(const backward_pass& pass) { attention_backward(pass).run(); }
};

template <std::size_t Heads, attention_options O>
struct attention_heads {
  static constexpr bool holds = true;
  static_assert(
      Heads > 0 && (O.key_value_heads == 0 || Heads % O.key_value_heads == 0),
      "remat: attention has at least one head, and as many for each of its key_value_heads; give it a multiple of "
      "these");
};

template <attention_options O>
struct attention_options_are_in_range {
  static constexpr bool holds = true;
  static_assert(
      O.dropout >= 0 && O.dropout < 1 && O.scale >= 0,
      "remat: attention has a dropout of at least 0 and below 1, and a scale above 0, or 0 for 1 / sqrt(d); give "
      "it these");
};

template <class T>
concept MaskElement = std::same_as<T, std::int32_t> || std::same_as<T, std::uint8_t>;

}  // namespace detail

/// Attention of H heads of d elements, G of them for keys and values. It takes
///
///     qkv (T, (H + 2 G) d)                          as one linear layer gives them: queries, then keys, then values
///     q (T, H d), k (S, G d), v (S, G d)            as three give them
///
/// and after these, if there is one, a mask (S) of int32 or uint8 for each sample, 0 where a key is not to be attended
/// to (Hugging Face's `attention_mask`). What such a key and its value hold has no influence, be it NaN. It gives
/// (T, H d). Under `causal`, S is T.
///
///     sequential<named<"c_attn", nn::linear<768, 2304>>, nn::attention<12, nn::attention_options{.causal = true}>,
///                named<"c_proj", nn::linear<768, 768>>>
template <std::size_t Heads, attention_options Options = attention_options{}>
struct attention : module {
  static_assert(detail::attention_heads<Heads, Options>::holds);
  static_assert(detail::attention_options_are_in_range<Options>::holds);

  static constexpr std::string_view kind = "attention";
  static constexpr std::size_t key_value_heads = Options.key_value_heads == 0 ? Heads : Options.key_value_heads;

  template <std::size_t T, std::size_t W>
    requires(W % (Heads + 2 * key_value_heads) == 0)
  static tensor<float, T, W / (Heads + 2 * key_value_heads) * Heads> output(tensor<float, T, W>);
  template <std::size_t T, std::size_t W, detail::MaskElement M>
    requires(W % (Heads + 2 * key_value_heads) == 0)
  static tensor<float, T, W / (Heads + 2 * key_value_heads) * Heads> output(tensor<float, T, W>, tensor<M, T>);
  template <std::size_t T, std::size_t S, std::size_t Q, std::size_t K>
    requires(Q % Heads == 0 && K == Q / Heads * key_value_heads && (S == T || !Options.causal))
  static tensor<float, T, Q> output(tensor<float, T, Q>, tensor<float, S, K>, tensor<float, S, K>);
  template <std::size_t T, std::size_t S, std::size_t Q, std::size_t K, detail::MaskElement M>
    requires(Q % Heads == 0 && K == Q / Heads * key_value_heads && (S == T || !Options.causal))
  static tensor<float, T, Q> output(tensor<float, T, Q>, tensor<float, S, K>, tensor<float, S, K>, tensor<M, S>);
  /// Of each row's scores the largest, and 1 over the sum of the exponentials of their distances from it.
  template <std::size_t T, std::size_t W, class... Others>
  static tensors<tensor<float, Heads, T>, tensor<float, Heads, T>> saved_shape(tensor<float, T, W>, Others...);

  static constexpr reads backward_input_reads = reads::inputs | reads::outputs | reads::saved;
  static constexpr traits is{.takes_bfloat16 = true, .gives_bfloat16 = true, .multiplies_bfloat16 = true};
  /// Two products, of which a causal mask leaves half.
  static constexpr double flops(tensor_shapes inputs, tensor_shapes outputs) {
    const std::size_t keys = inputs.size() > 2 ? inputs[1].extents[0] : inputs[0].extents[0];
    return (Options.causal ? 2.0 : 4.0) * static_cast<double>(outputs[0].elements()) * static_cast<double>(keys);
  }

  static constexpr detail::attention_attributes attributes{Heads,
                                                           key_value_heads,
                                                           Options.causal,
                                                           static_cast<float>(Options.dropout),
                                                           static_cast<float>(1 / (1 - Options.dropout)),
                                                           Options.scale};
  using kernels = detail::attention_kernels;
};

}  // namespace remat::nn

REMAT_COMPILED_KERNELS(detail::attention_kernels)
