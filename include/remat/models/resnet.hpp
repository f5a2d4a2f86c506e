// SPDX-License-Identifier: MIT
/// Residual networks for images (He et al. 2016), under torchvision's names: `layer1.0.downsample.0.weight`.
///
///     remat::model<remat::models::resnet50<>, remat::image<float, 3, 224, 224>, nn::cross_entropy> m;
///     remat::load_weights(m, "resnet50.safetensors");
///
/// takes images of any size, and gives logits (classes). (Batch norms train on two numbers of a channel or more: a
/// micro-batch of one image has at least 33 x 33 pixels.) Blocks of resnet50 halve images in the convolution of 3 x 3,
/// as torchvision's do.
#pragma once

#include <remat/model/inlined.hpp>
#include <remat/model/named.hpp>
#include <remat/model/parallel.hpp>
#include <remat/model/repeat.hpp>
#include <remat/model/sequential.hpp>
#include <remat/models/square_root.hpp>
#include <remat/nn/adaptive_avg_pool2d.hpp>
#include <remat/nn/batch_norm2d.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/relu.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>

namespace remat::models {

struct resnet_config {
  std::size_t classes = 1000;
  std::size_t channels = 3;  ///< of the images
};

namespace detail {

/// Without a bias, and weights normal with a deviation of sqrt(2 / (Out K K)), as torchvision starts them.
template <std::size_t In, std::size_t Out, std::size_t K, std::size_t Stride>
struct resnet_conv : nn::conv2d<In, Out, K, nn::window{.stride = Stride, .padding = K / 2}, nn::bias::without> {
  static constexpr double deviation = square_root_of(2.0 / static_cast<double>(Out * K * K));
  static constexpr std::array parameters{parameter("weight", {Out, In, K, K}, initial::normal(deviation))};
};

/// Two convolutions of 3 x 3.
struct basic_block {
  static constexpr std::size_t expansion = 1;
  template <std::size_t In, std::size_t Width, std::size_t Stride>
  using body =
      sequential<named<"conv1", resnet_conv<In, Width, 3, Stride>>, named<"bn1", nn::batch_norm2d<Width>>, nn::relu,
                 named<"conv2", resnet_conv<Width, Width, 3, 1>>, named<"bn2", nn::batch_norm2d<Width>>>;
};
/// One of 3 x 3 between two of 1 x 1.
struct bottleneck {
  static constexpr std::size_t expansion = 4;
  template <std::size_t In, std::size_t Width, std::size_t Stride>
  using body =
      sequential<named<"conv1", resnet_conv<In, Width, 1, 1>>, named<"bn1", nn::batch_norm2d<Width>>, nn::relu,
                 named<"conv2", resnet_conv<Width, Width, 3, Stride>>, named<"bn2", nn::batch_norm2d<Width>>, nn::relu,
                 named<"conv3", resnet_conv<Width, 4 * Width, 1, 1>>, named<"bn3", nn::batch_norm2d<4 * Width>>>;
};

template <class Body, class Shortcut = identity>
using resnet_block = residual<Body, Shortcut, sequential<nn::add, nn::relu>>;

/// Blocks of one width, of which the first takes another.
template <class Block, std::size_t In, std::size_t Width, std::size_t Blocks, std::size_t Stride>
struct resnet_layer {
  static constexpr std::size_t out = Block::expansion * Width;
  using downsample = sequential<resnet_conv<In, out, 1, Stride>, nn::batch_norm2d<out>>;
  using body = typename Block::template body<In, Width, Stride>;
  using first = std::conditional_t<In == out && Stride == 1, resnet_block<body>,
                                   resnet_block<body, named<"downsample", downsample>>>;
  using rest = resnet_block<typename Block::template body<out, Width, 1>>;
  using type = sequential<first, inlined<repeat<Blocks - 1, rest>>>;
};

template <class Block, resnet_config C, std::size_t N1, std::size_t N2, std::size_t N3, std::size_t N4>
struct resnet : module {
  static constexpr std::string_view kind = "resnet";
  template <std::size_t In, std::size_t Width, std::size_t N, std::size_t Stride>
  using layer = typename resnet_layer<Block, In, Width, N, Stride>::type;
  static constexpr std::size_t times = Block::expansion;
  using body =
      sequential<named<"conv1", resnet_conv<C.channels, 64, 7, 2>>, named<"bn1", nn::batch_norm2d<64>>, nn::relu,
                 nn::max_pool2d<3, nn::window{.stride = 2, .padding = 1}>, named<"layer1", layer<64, 64, N1, 1>>,
                 named<"layer2", layer<times * 64, 128, N2, 2>>, named<"layer3", layer<times * 128, 256, N3, 2>>,
                 named<"layer4", layer<times * 256, 512, N4, 2>>, nn::adaptive_avg_pool2d<1>, nn::flatten,
                 named<"fc", nn::linear<times * 512, C.classes>>>;
};

}  // namespace detail

template <resnet_config C = resnet_config{}>
struct resnet18 : detail::resnet<detail::basic_block, C, 2, 2, 2, 2> {};
template <resnet_config C = resnet_config{}>
struct resnet34 : detail::resnet<detail::basic_block, C, 3, 4, 6, 3> {};
template <resnet_config C = resnet_config{}>
struct resnet50 : detail::resnet<detail::bottleneck, C, 3, 4, 6, 3> {};

}  // namespace remat::models
