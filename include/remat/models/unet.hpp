// SPDX-License-Identifier: MIT
/// A U-Net (Ronneberger et al. 2015): a class, or any number, for each pixel.
///
///     using net = remat::models::unet<remat::models::unet_config{.channels = 3, .classes = 21}>;
///     remat::model<net, remat::image<float, 3, 256, 256>, nn::cross_entropy> m;
///
/// takes images whose rows and columns 2^depth divides, and gives (classes, H, W). Its names are its own: for each
/// level from 1, the outermost, to `depth`
///
///     down1.conv1, down1.bn1, down1.conv2, down1.bn2     two convolutions, before the image is halved
///     up1                                                a transposed convolution that doubles it
///     mix1.conv1, ...                                    two more, of what down1 gave and of this
///
/// and `middle.conv1`, ... between them, `head` after all. Convolutions keep the size of the image, and have no bias
/// where a batch norm follows. A level has twice the channels of the one around it.
#pragma once

#include <remat/core/fixed_string.hpp>
#include <remat/model/inlined.hpp>
#include <remat/model/named.hpp>
#include <remat/model/sequential.hpp>
#include <remat/model/tag.hpp>
#include <remat/nn/batch_norm2d.hpp>
#include <remat/nn/concat.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/conv_transpose2d.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/relu.hpp>

#include <cstddef>
#include <string_view>

namespace remat::models {

struct unet_config {
  std::size_t channels = 3;  ///< of the images
  std::size_t classes = 2;   ///< channels of what it gives
  std::size_t width = 64;    ///< channels of the first level
  std::size_t depth = 4;     ///< how often images are halved, 1 to 9 times
};

namespace detail {

template <unet_config C>
struct unet_depth {
  static constexpr bool holds = true;
  static_assert(C.depth >= 1 && C.depth <= 9, "remat: a unet has 1 to 9 levels; give it a depth between");
};

/// "down" and 1: "down1".
template <fixed_string Word, std::size_t Level>
constexpr auto name_of_level() {
  constexpr std::size_t size = Word.view().size();
  char name[size + 2] = {};
  for (std::size_t i = 0; i < size; ++i) name[i] = Word.view()[i];
  name[size] = static_cast<char>('0' + Level);
  return fixed_string<size + 2>(name);
}

template <std::size_t In, std::size_t Out>
using unet_conv = nn::conv2d<In, Out, 3, nn::window{.padding = 1}, nn::bias::without>;
template <std::size_t In, std::size_t Out>
using unet_pair = sequential<named<"conv1", unet_conv<In, Out>>, named<"bn1", nn::batch_norm2d<Out>>, nn::relu,
                             named<"conv2", unet_conv<Out, Out>>, named<"bn2", nn::batch_norm2d<Out>>, nn::relu>;

/// A level and those inside of it.
template <std::size_t Level, std::size_t Depth, std::size_t In, std::size_t Out>
struct unet_level {
  template <fixed_string Word, class M>
  using part = named<name_of_level<Word, Level>(), M>;
  static constexpr auto skip = name_of_level<"skip", Level>();
  using type = inlined<sequential<part<"down", unet_pair<In, Out>>, tag<skip>, nn::max_pool2d<2>,
                                  typename unet_level<Level + 1, Depth, Out, 2 * Out>::type,
                                  part<"up", nn::conv_transpose2d<2 * Out, Out, 2, nn::window{.stride = 2}>>,
                                  join<skip, nn::concat>, part<"mix", unet_pair<2 * Out, Out>>>>;
};
template <std::size_t Level, std::size_t Depth, std::size_t In, std::size_t Out>
  requires(Level > Depth)
struct unet_level<Level, Depth, In, Out> {
  using type = named<"middle", unet_pair<In, Out>>;
};

}  // namespace detail

template <unet_config C = unet_config{}>
struct unet : module {
  static_assert(detail::unet_depth<C>::holds);

  static constexpr std::string_view kind = "unet";
  using body = sequential<typename detail::unet_level<1, C.depth, C.channels, C.width>::type,
                          named<"head", nn::conv2d<C.width, C.classes, 1>>>;
};

}  // namespace remat::models
