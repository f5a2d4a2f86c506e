// SPDX-License-Identifier: MIT
// Peak bytes are constant expressions, and they are what the arithmetic by hand says.
#include <remat/remat.hpp>

#include <utility>

namespace peak_tests {

namespace nn = remat::nn;

// Example 01: the backward pass of conv2 holds the input, the output of relu1 (its mask), and the gradients of both
// convolutions' outputs; no more than that at any time.
using image_net =
    remat::sequential<nn::conv2d<1, 32, 3>, nn::relu, nn::conv2d<32, 64, 3>, nn::relu, nn::max_pool2d<2>, nn::flatten,
                      remat::checkpoint<nn::linear<9216, 128>>, nn::relu, nn::linear<128, 10>, nn::log_softmax>;
using image = remat::image<float, 1, 28, 28>;
constexpr std::size_t image_peak(std::size_t batch) { return batch * 4 * (28 * 28 + 2 * 32 * 26 * 26 + 64 * 24 * 24); }
static_assert(remat::peak_activation_bytes<image_net, image, nn::nll_loss>(64) == image_peak(64));
static_assert(remat::peak_activation_bytes<image_net, image, nn::nll_loss>(16) == image_peak(16));

// The table of docs/performance.md (Memory): kept and peak bytes at batch 64, in units of 10,000 bytes, and what
// example 01 would need without fusion.
using image_chain =
    remat::sequential<nn::conv2d<1, 32, 3>, nn::relu, nn::conv2d<32, 64, 3>, nn::relu, nn::max_pool2d<2>, nn::flatten,
                      nn::linear<9216, 128>, nn::relu, nn::linear<128, 10>, nn::log_softmax>;
using pixel_chain = remat::sequential<nn::conv2d<1, 20, 5>, nn::relu, nn::conv2d<20, 64, 5>, nn::relu>;
struct size {
  std::size_t kept, peak;
  friend constexpr bool operator==(const size&, const size&) = default;
};
template <class Net>
constexpr size planned(bool fused = true) {
  remat::program p = remat::lower<Net, image, nn::nll_loss>();
  if (fused) p = remat::fuse(p);
  const remat::plan made = remat::plan_training(p, 64);
  return {(remat::kept_bytes(made) + 5'000) / 10'000, (made.activation_bytes + 5'000) / 10'000};
}
static_assert(planned<image_chain>() == size{1108, 2071});
static_assert(planned<image_net>() == size{1108, 2071});
static_assert(planned<remat::checkpoint_sequential<image_chain>>() == size{1108, 2071});
static_assert(planned<remat::checkpoint<image_chain>>() == size{20, 2071});
static_assert(planned<image_chain>(false).peak == 2756);
static_assert(planned<remat::sequential<pixel_chain, nn::log_softmax>>() == size{1636, 2291});
static_assert(planned<remat::sequential<remat::checkpoint<pixel_chain>, nn::log_softmax>>() == size{1341, 1996});

// A chain of n equal layers holds all inputs, and at the end of the forward pass one gradient next to the output.
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

// A batch that cannot be planned is no constant expression: its peak is not a small number of bytes.
template <class Net, std::size_t Batch>
concept HasPeak = requires {
  typename std::bool_constant<(remat::peak_activation_bytes<Net, remat::tensor<float, 16>>(Batch) > 0)>;
};
using sixteen = nn::linear<16, 16>;
static_assert(HasPeak<sixteen, (std::size_t{1} << 27) - 1>);
static_assert(!HasPeak<sixteen, 0>);
static_assert(!HasPeak<sixteen, std::size_t{1} << 27>);
static_assert(!HasPeak<sixteen, std::size_t{1} << 62>);
static_assert(!HasPeak<sixteen, std::size_t{1} << 63>);

}  // namespace peak_tests
