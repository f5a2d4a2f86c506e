// SPDX-License-Identifier: MIT
// An annotated model needs the bytes of the one whose tags are written by hand; and both are compiled in steps that do
// not grow with the modules of a repeat, but for what any program of that many operations takes.
#include <remat/remat.hpp>

#include <type_traits>
#include <utility>

namespace annotations_tests {

namespace nn = remat::nn;
namespace strategy = remat::strategy;

using input = remat::tensor<float, 16>;
using layer = nn::linear<16, 16>;
using feed_forward = remat::sequential<nn::linear<16, 64>, nn::gelu, nn::linear<64, 16>>;

template <std::size_t N, class Mlp>
using blocks = remat::repeat<N, remat::residual<remat::sequential<nn::layer_norm<16>, remat::named<"mlp", Mlp>>>>;
template <class H>
using net_of = remat::sequential<layer, remat::named<"h", H>, layer>;
using net = net_of<blocks<12, feed_forward>>;

template <class Net>
constexpr std::size_t peak = remat::peak_activation_bytes<Net, input, nn::mse_loss>(64);
template <class Net, remat::fixed_string Pattern, class... Tags>
using annotated = remat::set_activation_checkpointing<Net, Pattern, Tags...>;

static_assert(peak<annotated<net, "h">> == peak<net_of<remat::checkpoint_sequential<blocks<12, feed_forward>>>>);
static_assert(peak<annotated<net, "h">> < peak<net>);
static_assert(peak<annotated<net, "h", strategy::group<4>>> ==
              peak<net_of<remat::checkpoint_sequential<blocks<12, feed_forward>, strategy::group<4>>>>);
static_assert(peak<annotated<net, "h", strategy::contiguous, remat::square_root>> ==
              peak<net_of<remat::checkpoint<blocks<12, feed_forward>, remat::square_root>>>);
static_assert(peak<annotated<net, "h.*">> == peak<annotated<net, "h">>);
static_assert(peak<annotated<net, "h.*.mlp", strategy::contiguous>> ==
              peak<net_of<blocks<12, remat::checkpoint<feed_forward>>>>);
static_assert(
    peak<annotated<annotated<net, "h.*.mlp", strategy::contiguous>, "h", strategy::group<4>>> ==
    peak<net_of<remat::checkpoint_sequential<blocks<12, remat::checkpoint<feed_forward>>, strategy::group<4>>>>);
static_assert(peak<annotated<remat::sequential<annotated<net, "h">, layer>, "0.h.*.mlp">> <
              peak<remat::sequential<net, layer>>);

// 500 operations, in segments of 22, as in peak.cpp: within the default limits of both compilers.
template <std::size_t... I>
auto varied_chain(std::index_sequence<I...>) -> remat::sequential<nn::linear<32 + I % 7, 32 + (I + 1) % 7>...>;
using chain = remat::sequential<remat::named<"seq", decltype(varied_chain(std::make_index_sequence<500>{}))>>;
constexpr std::size_t chain_peak =
    remat::peak_activation_bytes<annotated<chain, "seq", strategy::group<22>>, remat::tensor<float, 32>>(64);
static_assert(chain_peak < remat::peak_activation_bytes<chain, remat::tensor<float, 32>>(64) / 10);

// The laws of an annotation are checked for a million modules as for twelve: within the same limits.
using million = remat::sequential<remat::named<"h", blocks<1'000'000, feed_forward>>>;
template <class Net>
using outputs_of = typename remat::detail::lowering<Net, input, remat::no_loss>::outputs;
static_assert(std::is_same_v<outputs_of<annotated<annotated<million, "h.999999.mlp">, "h.*7">>, remat::tensors<input>>);

}  // namespace annotations_tests
