// SPDX-License-Identifier: MIT
/// Layers that are timed alone, at sizes that networks have: peer_layers.py has the same ones under the same names.
#pragma once

#include <remat/remat.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace benchmarks {

namespace nn = remat::nn;

struct layer {
  std::string_view name;
  std::size_t batch;
  remat::program (*lower)();
};

template <class Layer, class... Inputs>
remat::program lower_alone() {
  if constexpr (sizeof...(Inputs) == 1)
    return remat::lower<remat::sequential<Layer>, Inputs...>();
  else
    return remat::lower<remat::sequential<Layer>, remat::tensors<Inputs...>>();
}
/// A loss alone: its input is the model's.
template <class Loss, class Input>
remat::program lower_loss() {
  return remat::lower<remat::identity, Input, Loss>();
}

template <std::size_t... Extents>
using floats = remat::tensor<float, Extents...>;
template <std::size_t C, std::size_t H, std::size_t W>
using images = remat::image<float, C, H, W>;
template <std::size_t... Extents>
using indices = remat::tensor<std::int32_t, Extents...>;
template <std::size_t In, std::size_t Out, std::size_t K, std::size_t Stride = 1, std::size_t Padding = K / 2>
using convolution = nn::conv2d<In, Out, K, nn::window{.stride = Stride, .padding = Padding}, nn::bias::without>;

template <std::size_t Heads, std::size_t KeyValueHeads = Heads>
using causal_attention = nn::attention<Heads, nn::attention_options{.causal = true, .key_value_heads = KeyValueHeads}>;

inline const layer layers[] = {
    {"linear 1024-1024, 256 rows", 256, &lower_alone<nn::linear<1024, 1024>, floats<1024>>},
    {"linear 768-3072, 1024 rows", 8, &lower_alone<nn::linear<768, 3072>, floats<128, 768>>},
    {"linear 3072-768, 1024 rows", 8, &lower_alone<nn::linear<3072, 768>, floats<128, 3072>>},
    {"linear 127-131, 64 rows", 64, &lower_alone<nn::linear<127, 131>, floats<127>>},
    {"conv 3-64 7x7 /2, 4 x 224x224", 4, &lower_alone<convolution<3, 64, 7, 2>, images<3, 224, 224>>},
    {"conv 64-64 3x3, 8 x 56x56", 8, &lower_alone<convolution<64, 64, 3>, images<64, 56, 56>>},
    {"conv 128-256 3x3 /2, 8 x 28x28", 8, &lower_alone<convolution<128, 256, 3, 2>, images<128, 28, 28>>},
    {"conv 64-128 1x1 /2, 8 x 56x56", 8, &lower_alone<convolution<64, 128, 1, 2>, images<64, 56, 56>>},
    {"conv 256-1024 1x1, 8 x 14x14", 8, &lower_alone<convolution<256, 1024, 1>, images<256, 14, 14>>},
    {"conv 1-32 3x3, 64 x 28x28", 64, &lower_alone<convolution<1, 32, 3, 1, 0>, images<1, 28, 28>>},
    {"depthwise conv 96 3x3, 8 x 56x56", 8,
     &lower_alone<nn::conv2d<96, 96, 3, nn::window{.padding = 1, .groups = 96}, nn::bias::without>,
                  images<96, 56, 56>>},
    {"conv_transpose 64-32 2x2 /2, 8 x 28x28", 8,
     &lower_alone<nn::conv_transpose2d<64, 32, 2, nn::window{.stride = 2}>, images<64, 28, 28>>},
    {"conv_transpose 128-64 4x4 /2, 8 x 14x14", 8,
     &lower_alone<nn::conv_transpose2d<128, 64, 4, nn::window{.stride = 2, .padding = 1}>, images<128, 14, 14>>},
    {"batch_norm 64, 16 x 56x56", 16, &lower_alone<nn::batch_norm2d<64>, images<64, 56, 56>>},
    {"batch_norm 512, 32 x 7x7", 32, &lower_alone<nn::batch_norm2d<512>, images<512, 7, 7>>},
    {"layer_norm 768, 1024 rows", 8, &lower_alone<nn::layer_norm<768>, floats<128, 768>>},
    {"layer_norm 256, 2048 rows", 8, &lower_alone<nn::layer_norm<256>, floats<256, 256>>},
    {"rms_norm 2048, 512 rows", 4, &lower_alone<nn::rms_norm<2048>, floats<128, 2048>>},
    {"rotary_embedding 64, 1024 x 2048", 8,
     &lower_alone<nn::rotary_embedding<64, nn::rotary_options{.theta = 500000}>, floats<128, 2048>>},
    {"positional_embedding 1024 x 768, 8 x 1024", 8,
     &lower_alone<nn::positional_embedding<1024, 768>, floats<1024, 768>>},
    {"attention of 4 heads of 64, causal, 8 x 256", 8, &lower_alone<causal_attention<4>, floats<256, 768>>},
    {"attention of 12 heads of 64, causal, 4 x 1024", 4, &lower_alone<causal_attention<12>, floats<1024, 2304>>},
    {"attention of 8 heads of 64, causal, 1 x 4096", 1, &lower_alone<causal_attention<8>, floats<4096, 1536>>},
    {"attention of 32 and 4 heads of 64, causal, 1 x 1024", 1,
     &lower_alone<causal_attention<32, 4>, floats<1024, 2048>, floats<1024, 256>, floats<1024, 256>>},
    {"attention of 12 heads of 64, 8 x 197", 8, &lower_alone<nn::attention<12>, floats<197, 2304>>},
    {"attention of 12 heads of 64, dropout 0.1, 8 x 128", 8,
     &lower_alone<nn::attention<12, nn::attention_options{.dropout = 0.1}>, floats<128, 2304>>},
    {"embedding 50257 x 768, 1024 rows", 8, &lower_alone<nn::embedding<50257, 768>, indices<128>>},
    {"embedding 1000 x 64, 4096 rows", 4096, &lower_alone<nn::embedding<1000, 64>, indices<>>},
    {"relu 64, 16 x 56x56", 16, &lower_alone<nn::relu, images<64, 56, 56>>},
    {"gelu, 1024 x 3072", 8, &lower_alone<nn::gelu, floats<128, 3072>>},
    {"gelu, 64 x 1024", 64, &lower_alone<nn::gelu, floats<1024>>},
    {"gelu_tanh, 1024 x 3072", 8, &lower_alone<nn::gelu_tanh, floats<128, 3072>>},
    {"silu, 1024 x 3072", 8, &lower_alone<nn::silu, floats<128, 3072>>},
    {"swiglu, 1024 x 3072", 8, &lower_alone<nn::swiglu, floats<128, 3072>, floats<128, 3072>>},
    {"tanh, 1024 x 1024", 8, &lower_alone<nn::tanh, floats<128, 1024>>},
    {"sigmoid, 1024 x 1024", 8, &lower_alone<nn::sigmoid, floats<128, 1024>>},
    {"softmax 1000, 256 rows", 256, &lower_alone<nn::softmax, floats<1000>>},
    {"softmax 256, 8192 rows", 32, &lower_alone<nn::softmax, floats<256, 256>>},
    {"softmax 21, 8 x 64x64", 8, &lower_alone<nn::softmax, images<21, 64, 64>>},
    {"log_softmax 10, 256 rows", 256, &lower_alone<nn::log_softmax, floats<10>>},
    {"log_softmax 1000, 256 rows", 256, &lower_alone<nn::log_softmax, floats<1000>>},
    {"log_softmax 21, 8 x 64x64", 8, &lower_alone<nn::log_softmax, images<21, 64, 64>>},
    {"dropout 0.5, 1024 x 3072", 8, &lower_alone<nn::dropout<>, floats<128, 3072>>},
    {"dropout 0.1, 256 x 768", 256, &lower_alone<nn::dropout<0.1>, floats<768>>},
    {"max_pool 3x3 /2, 4 x 64x112x112", 4,
     &lower_alone<nn::max_pool2d<3, nn::window{.stride = 2, .padding = 1}>, images<64, 112, 112>>},
    {"max_pool 2x2, 64 x 64x24x24", 64, &lower_alone<nn::max_pool2d<2>, images<64, 24, 24>>},
    {"avg_pool 2x2, 16 x 64x56x56", 16, &lower_alone<nn::avg_pool2d<2>, images<64, 56, 56>>},
    {"adaptive_avg_pool 57x57 to 7x7, 4 x 256", 4, &lower_alone<nn::adaptive_avg_pool2d<7>, images<256, 57, 57>>},
    {"adaptive_avg_pool 7x7 to 1x1, 64 x 512", 64, &lower_alone<nn::adaptive_avg_pool2d<1>, images<512, 7, 7>>},
    {"upsample_nearest 2, 8 x 64x32x32", 8, &lower_alone<nn::upsample_nearest<2>, images<64, 32, 32>>},
    {"upsample_bilinear 2, 8 x 64x32x32", 8, &lower_alone<nn::upsample_bilinear<2>, images<64, 32, 32>>},
    {"multiply, 1024 x 3072", 8, &lower_alone<nn::multiply, floats<128, 3072>, floats<128, 3072>>},
    {"concat 64 and 64, 8 x 56x56", 8, &lower_alone<nn::concat, images<64, 56, 56>, images<64, 56, 56>>},
    {"cross_entropy 1000, 256 rows", 256, &lower_loss<nn::cross_entropy, floats<1000>>},
    {"cross_entropy 32000, 256 rows", 256, &lower_loss<nn::cross_entropy, floats<32000>>},
    {"cross_entropy 21, 8 x 64x64", 8, &lower_loss<nn::cross_entropy, images<21, 64, 64>>},
    {"nll_loss 1000, 256 rows", 256, &lower_loss<nn::nll_loss, floats<1000>>},
    {"mse_loss, 16 x 64x56x56", 16, &lower_loss<nn::mse_loss, images<64, 56, 56>>},
    {"bce_with_logits, 1024 x 1024", 1024, &lower_loss<nn::bce_with_logits, floats<1024>>},
    {"linear_cross_entropy 768-32000, 256 rows", 256, &lower_loss<nn::linear_cross_entropy<768, 32000>, floats<768>>},
    {"linear_cross_entropy 256-1000, 1024 rows", 1024, &lower_loss<nn::linear_cross_entropy<256, 1000>, floats<256>>},
};

}  // namespace benchmarks
