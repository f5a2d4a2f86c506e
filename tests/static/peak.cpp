// SPDX-License-Identifier: MIT
// Peak bytes are constant expressions, and they are what the arithmetic by hand says.
#include <remat/remat.hpp>

#include <utility>

namespace nn = remat::nn;

// Example 01: the backward pass of conv2 holds the input, the output of relu1 (its mask), and the gradients of both
// convolutions' outputs; no more than that at any time.
using image_net =
    remat::sequential<nn::conv2d<1, 32, 3>, nn::relu, nn::conv2d<32, 64, 3>, nn::relu, nn::max_pool2d<2>, nn::flatten,
                      remat::checkpoint<nn::linear<9216, 128>>, nn::relu, nn::linear<128, 10>, nn::log_softmax>;
using image = remat::tensor<float, 1, 28, 28>;
constexpr std::size_t image_peak(std::size_t batch) { return batch * 4 * (28 * 28 + 2 * 32 * 26 * 26 + 64 * 24 * 24); }
static_assert(remat::peak_activation_bytes<image_net, image, nn::nll_loss>(64) == image_peak(64));
static_assert(remat::peak_activation_bytes<image_net, image, nn::nll_loss>(16) == image_peak(16));

// A chain of n equal layers holds all inputs, and at the end of the forward pass one gradient beside the output.
template <std::size_t... I>
auto chain_of(std::index_sequence<I...>) -> remat::sequential<nn::linear<16 + 0 * I, 16>...>;
template <std::size_t N>
using chain = decltype(chain_of(std::make_index_sequence<N>{}));
template <class Net>
constexpr std::size_t chain_peak = remat::peak_activation_bytes<Net, remat::tensor<float, 16>>(1) / 64;
static_assert(chain_peak<chain<8>> == 9);
static_assert(chain_peak<chain<16>> == 17);

// 500 operations, in segments of 22: within the default limits of both compilers.
template <std::size_t... I>
auto varied_chain(std::index_sequence<I...>) -> remat::sequential<nn::linear<32 + I % 7, 32 + (I + 1) % 7>...>;
template <class Sequential>
using in_segments = remat::checkpoint_sequential<Sequential, remat::strategy::group<22>>;
using plain_500 = decltype(varied_chain(std::make_index_sequence<500>{}));
constexpr std::size_t plain_peak = remat::peak_activation_bytes<plain_500, remat::tensor<float, 32>>(64);
constexpr std::size_t checked_peak = remat::peak_activation_bytes<in_segments<plain_500>, remat::tensor<float, 32>>(64);
static_assert(checked_peak < plain_peak / 10);
