// SPDX-License-Identifier: MIT
// Residual blocks with batch norm (He et al. 2016): relus fused after the norm and after the sum, a shortcut that
// computes, and the paths that PyTorch's blocks have.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/nn/batch_norm2d.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>

namespace networks {
namespace resnet_parts {

namespace nn = remat::nn;
using remat::image, remat::named, remat::sequential;

// clang-format off
template <std::size_t In, std::size_t Out, std::size_t Stride>
using body = sequential<
    named<"conv1", nn::conv2d<In, Out, 3, nn::window{.stride = Stride, .padding = 1}, nn::bias::without>>, named<"bn1", nn::batch_norm2d<Out>>, nn::relu,
    named<"conv2", nn::conv2d<Out, Out, 3, nn::window{.padding = 1}, nn::bias::without>>, named<"bn2", nn::batch_norm2d<Out>>>;
template <std::size_t C>
using basic = remat::residual<body<C, C, 1>, remat::identity, sequential<nn::add, nn::relu>>;
template <std::size_t In, std::size_t Out>
using halving = remat::residual<
    body<In, Out, 2>,
    named<"downsample", sequential<nn::conv2d<In, Out, 1, nn::window{.stride = 2}, nn::bias::without>, nn::batch_norm2d<Out>>>,
    sequential<nn::add, nn::relu>>;

template <template <class> class Around = std::type_identity_t>
using net = sequential<
    named<"conv1", nn::conv2d<3, 6, 3, nn::window{.padding = 1}, nn::bias::without>>, named<"bn1", nn::batch_norm2d<6>>, nn::relu,
    nn::max_pool2d<3, nn::window{.stride = 2, .padding = 1}>,                                                                         // (6, 7, 6)
    named<"layer1", sequential<Around<basic<6>>, Around<basic<6>>>>,
    named<"layer2", sequential<Around<halving<6, 9>>, Around<basic<9>>>>,                            // (9, 4, 3)
    nn::flatten, named<"fc", nn::linear<108, 7>>, nn::log_softmax>;
// clang-format on
template <class Block>
using checkpointed = remat::checkpoint<Block>;

}  // namespace resnet_parts

network resnet() {
  using namespace resnet_parts;
  using input = image<float, 3, 13, 11>;
  using remat::checkpoint_at;
  return {.name = "resnet",
          .lower = &lowered<net<>, input, nn::nll_loss>,
          .microbatch = 3,
          .classes = 7,
          .as_types = {{"every block",
                        &lowered<net<checkpointed>, input, nn::nll_loss>,
                        {checkpoint_at("layer1.0"), checkpoint_at("layer1.1"), checkpoint_at("layer2.0"),
                         checkpoint_at("layer2.1")}}}};
}

}  // namespace networks
