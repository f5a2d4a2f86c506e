// SPDX-License-Identifier: MIT
/// The networks that are compared with PyTorch: peer_step_time.py has the same ones under the same names.
#pragma once

#include <remat/remat.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace benchmarks {

namespace nn = remat::nn;

/// Example 01 and example 02, checkpointed.
using example01 =
    remat::sequential<nn::conv2d<1, 32, 3>, nn::relu, nn::conv2d<32, 64, 3>, nn::relu, nn::max_pool2d<2>, nn::flatten,
                      remat::checkpoint<nn::linear<9216, 128>>, nn::relu, nn::linear<128, 10>, nn::log_softmax>;
using convolutions = remat::sequential<nn::conv2d<1, 20, 5>, nn::relu, nn::conv2d<20, 64, 5>, nn::relu>;
using example02 =
    remat::sequential<remat::checkpoint_sequential<convolutions, remat::strategy::contiguous>, nn::log_softmax>;

/// Matrix products, and little else.
using mlp = remat::sequential<remat::repeat<32, remat::sequential<nn::linear<1024, 1024>, nn::relu>>,
                              nn::linear<1024, 10>, nn::log_softmax>;

/// The feed-forward part of a transformer's block.
using feed_forward = remat::sequential<nn::linear<768, 3072>, nn::gelu, nn::linear<3072, 768>>;

/// 1,000 small operations: what is around them counts.
using chain = remat::sequential<remat::repeat<1000, remat::sequential<nn::linear<128, 128>, nn::tanh>>,
                                nn::linear<128, 10>, nn::log_softmax>;

/// Links of very unequal sizes, in bytes and in time.
template <std::size_t... Widths>
struct links_between;
template <std::size_t In, std::size_t Out, std::size_t... Rest>
struct links_between<In, Out, Rest...> {
  template <class... Before>
  using after = typename links_between<Out, Rest...>::template after<Before..., nn::linear<In, Out>, nn::tanh>;
};
template <std::size_t Last>
struct links_between<Last> {
  template <class... Before>
  using after = remat::sequential<Before...>;
};
using unequal_links =
    links_between<256, 4096, 64, 2048, 256, 1024, 32, 4096, 512, 128, 3072, 64, 2048, 1024, 48, 4096, 256>::after<>;
using unequal = remat::sequential<unequal_links, nn::linear<256, 10>, nn::log_softmax>;

/// y = x + relu(batch_norm(conv(x))), 16 times.
using residual_block =
    remat::residual<remat::sequential<nn::conv2d<64, 64, 3, nn::window{.padding = 1}>, nn::batch_norm2d<64>, nn::relu>>;
using residual = remat::repeat<16, residual_block>;
using residual_checkpointed = remat::checkpoint_sequential<residual>;
using residual_every4 = remat::checkpoint<residual, remat::every<4>>;

/// ResNet-18 (He et al. 2016) for small images: torchvision's, with a stem of 3x3 and stride 1 and no pooling after
/// it.
template <std::size_t In, std::size_t Out, std::size_t K, std::size_t Stride>
using normalised =
    remat::sequential<nn::conv2d<In, Out, K, nn::window{.stride = Stride, .padding = K / 2}, nn::bias::without>,
                      nn::batch_norm2d<Out>>;

template <std::size_t In, std::size_t Out, std::size_t Stride, class Shortcut>
using basic_block = remat::residual<
    remat::sequential<nn::conv2d<In, Out, 3, nn::window{.stride = Stride, .padding = 1}, nn::bias::without>,
                      nn::batch_norm2d<Out>, nn::relu,
                      nn::conv2d<Out, Out, 3, nn::window{.padding = 1}, nn::bias::without>, nn::batch_norm2d<Out>>,
    Shortcut, remat::sequential<nn::add, nn::relu>>;

template <std::size_t In, std::size_t Out>
using halved =
    remat::sequential<basic_block<In, Out, 2, normalised<In, Out, 1, 2>>, basic_block<Out, Out, 1, remat::identity>>;

using resnet18 =
    remat::sequential<normalised<1, 64, 3, 1>, nn::relu, remat::repeat<2, basic_block<64, 64, 1, remat::identity>>,
                      halved<64, 128>, halved<128, 256>, halved<256, 512>, nn::adaptive_avg_pool2d<1>, nn::flatten,
                      nn::linear<512, 10>, nn::log_softmax>;

/// A GPT of 12 blocks, that reads T tokens.
inline constexpr std::size_t width = 256, vocabulary = 4096;
using gpt_block =
    remat::sequential<remat::residual<remat::sequential<nn::layer_norm<width>, nn::linear<width, 3 * width>,
                                                        nn::attention<4, nn::attention_options{.causal = true}>,
                                                        nn::linear<width, width>>>,
                      remat::residual<remat::sequential<nn::layer_norm<width>, nn::linear<width, 4 * width>, nn::gelu,
                                                        nn::linear<4 * width, width>>>>;
using gpt_blocks = remat::repeat<12, gpt_block>;
template <std::size_t T, class Blocks = gpt_blocks>
using gpt_of = remat::sequential<nn::embedding<vocabulary, width>, nn::positional_embedding<T, width>,
                                 remat::named<"h", Blocks>, nn::layer_norm<width>>;
using gpt = gpt_of<256>;
using gpt_checkpointed = gpt_of<256, remat::checkpoint_sequential<gpt_blocks>>;
using token_loss = nn::linear_cross_entropy<width, vocabulary>;

struct network {
  std::string_view name;
  std::size_t batch;
  remat::program (*lower)();
  /// Changes the parameters before the first step, as the other side does.
  void (*initialise)(std::span<const remat::parameter_view>) = nullptr;
  std::size_t tokens = 0;  ///< integers of its inputs and targets are below it
};

/// Weights of variance 1 / inputs, and no bias: neither signals nor gradients vanish in a deep chain of tanh.
inline void keep_variance(std::span<const remat::parameter_view> parameters) {
  for (const remat::parameter_view& p : parameters)
    for (float& value : p.values) value *= p.shape.size() == 2 ? std::sqrt(3.0f) : 0.0f;
}

using image = remat::image<float, 1, 28, 28>;
using features = remat::image<float, 64, 32, 32>;
using text = remat::tensor<std::int32_t, 256>;

inline const network networks[] = {
    {"example01", 64, [] { return remat::lower<example01, image, nn::nll_loss>(); }},
    {"example02", 64, [] { return remat::lower<example02, image, nn::nll_loss>(); }},
    {"mlp", 256, [] { return remat::lower<mlp, remat::tensor<float, 1024>, nn::nll_loss>(); }},
    {"ffn", 1024, [] { return remat::lower<feed_forward, remat::tensor<float, 768>, nn::mse_loss>(); }},
    {"chain", 64, [] { return remat::lower<chain, remat::tensor<float, 128>, nn::nll_loss>(); }, keep_variance},
    {"unequal", 512, [] { return remat::lower<unequal, remat::tensor<float, 256>, nn::nll_loss>(); }},
    {"residual", 32, [] { return remat::lower<residual, features, nn::mse_loss>(); }},
    {"residual_checkpointed", 32, [] { return remat::lower<residual_checkpointed, features, nn::mse_loss>(); }},
    {"residual_every4", 32, [] { return remat::lower<residual_every4, features, nn::mse_loss>(); }},
    {"resnet18", 64, [] { return remat::lower<resnet18, image, nn::nll_loss>(); }},
    {"gpt", 8, [] { return remat::lower<gpt, text, token_loss>(); }, nullptr, vocabulary},
    {"gpt_checkpointed", 8, [] { return remat::lower<gpt_checkpointed, text, token_loss>(); }, nullptr, vocabulary},
};

}  // namespace benchmarks
