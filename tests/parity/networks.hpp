// SPDX-License-Identifier: MIT
/// The networks that are compared with PyTorch; networks.py builds the same ones, with the same names. Together they
/// hold every module in every form that has code of its own: fused and alone, with and without bias, padded,
/// overlapping, checkpointed as one, child by child and nested.
#pragma once

#include <remat/remat.hpp>

#include <array>
#include <cstdint>
#include <ratio>
#include <string_view>

namespace parity {

namespace nn = remat::nn;
using nn::bias;
using remat::checkpoint;
using remat::checkpoint_sequential;
using remat::named;
using remat::sequential;
using remat::tensor;

/// Example 01's.
using images = sequential<
    named<"conv1", nn::conv2d<1, 32, 3>>, nn::relu,
    named<"conv2", nn::conv2d<32, 64, 3>>, nn::relu,
    nn::max_pool2d<2>, nn::flatten,
    checkpoint<named<"fc1", nn::linear<9216, 128>>>, nn::relu,
    named<"fc2", nn::linear<128, 10>>, nn::log_softmax>;

/// Example 02's: a class for every pixel.
using pixels = sequential<
    named<"seq", checkpoint_sequential<sequential<nn::conv2d<1, 20, 5>, nn::relu, nn::conv2d<20, 64, 5>, nn::relu>,
                                       remat::strategy::contiguous>>,
    nn::log_softmax>;

/// Matrix products alone.
using layers = sequential<
    nn::flatten, nn::linear<784, 300>, nn::relu, checkpoint<sequential<nn::linear<300, 100>, nn::relu>>,
    nn::linear<100, 10>, nn::log_softmax>;

/// Steps of two, borders, overlapping windows, negative maxima at a border, layers without bias, and relus with nothing
/// before them to fuse with.
using strided = sequential<
    named<"stem", nn::conv2d<3, 16, 3, 2, 1, bias::without>>, nn::max_pool2d<3, 2, 1>, nn::relu,  // (16, 9, 8)
    checkpoint<sequential<nn::conv2d<16, 24, 5, 1, 2>, nn::relu, nn::max_pool2d<3, 2>>>,          // (24, 4, 3)
    nn::conv2d<24, 20, 3, 2, 1>, nn::flatten, nn::relu,                                           // (80)
    named<"narrow", nn::linear<80, 40, bias::without>>, nn::relu,
    nn::linear<40, 7>, nn::log_softmax>;

/// Linear layers over the rows of (T, D), in checkpointed sequentials two deep.
using rows = sequential<
    named<"encoder", sequential<
        named<"lift", sequential<nn::linear<12, 20>, nn::relu>>,
        checkpoint<named<"mix", sequential<
            nn::linear<20, 20>, nn::relu,
            named<"inner", checkpoint<sequential<nn::linear<20, 20, bias::without>, nn::relu>>>,
            nn::linear<20, 8>>>>,
        nn::relu>>,
    nn::flatten,
    named<"head", checkpoint_sequential<sequential<nn::linear<48, 32>, nn::relu, nn::linear<32, 5>, nn::log_softmax>,
                                        remat::strategy::each>>>;

/// Dropout of images and of features, behind a relu, a convolution and another dropout, and inside of checkpoints.
using masked = sequential<
    nn::conv2d<1, 8, 3>, nn::relu, named<"drop1", nn::dropout<std::ratio<1, 4>>>, nn::max_pool2d<2>,  // (8, 7, 6)
    checkpoint<sequential<
        nn::conv2d<8, 12, 3>, named<"drop2", nn::dropout<std::ratio<1, 10>>>, nn::relu>>,                // (12, 5, 4)
    nn::flatten,
    checkpoint<sequential<nn::linear<240, 50>, nn::relu, named<"drop3", nn::dropout<>>>>,
    named<"drop4", nn::dropout<std::ratio<1, 3>>>, nn::linear<50, 6>, nn::log_softmax>;

/// Batch norm before relus and alone, inside of checkpoints and of residuals; convolutions that are depthwise, dilated
/// and in groups, and whose gradients are added; means over windows and over bins.
using normed = sequential<
    named<"stem", nn::conv2d<3, 10, 3, 2, 1, bias::without>>, nn::batch_norm2d<10>, nn::relu,  // (10, 10, 9)
    checkpoint<sequential<
        nn::conv2d<10, 10, 3, 1, 1, bias::with, 1, 10>, nn::relu,
        nn::conv2d<10, 32, 1, 1, 0, bias::without>, nn::batch_norm2d<32>, nn::relu>>,  // (32, 10, 9)
    named<"block", remat::residual<
        sequential<nn::conv2d<32, 32, 3, 1, 2, bias::without, 2, 4>, nn::batch_norm2d<32>, nn::relu,
                   nn::conv2d<32, 32, 3, 1, 1, bias::without>, nn::batch_norm2d<32>>,
        remat::identity, sequential<nn::add, nn::relu>>>,
    named<"narrow", remat::residual<sequential<nn::conv2d<32, 32, 1, 1, 0, bias::without>, nn::batch_norm2d<32>>>>,
    nn::avg_pool2d<3, 2, 1>, nn::conv2d<32, 24, 3, 2, 2, bias::without, 2, 2>, nn::batch_norm2d<24>,  // (24, 3, 3)
    named<"last", remat::residual<sequential<nn::conv2d<24, 24, 3, 1, 1>>>>,
    nn::adaptive_avg_pool2d<2, 1>, nn::flatten, nn::linear<48, 6>, nn::log_softmax>;

/// Transposed convolutions and upsampling, means over windows with gaps between them, a class for every pixel.
using scaled = sequential<
    named<"up", nn::conv_transpose2d<4, 12, 3, 2, 1, 1>>, nn::relu,  // (12, 14, 12)
    checkpoint<sequential<nn::upsample_bilinear<2>, nn::conv2d<12, 8, 3, 1, 1>, nn::relu>>,  // (8, 28, 24)
    nn::avg_pool2d<2, 3>,  // (8, 9, 8)
    nn::conv_transpose2d<8, 9, 2, 2, 0, 0, bias::without>, nn::relu,  // (9, 18, 16)
    checkpoint<sequential<nn::upsample_nearest<3>, nn::adaptive_avg_pool2d<7, 5>>>,  // (9, 7, 5)
    nn::conv_transpose2d<9, 5, 3, 1, 1>, nn::log_softmax>;

/// Layers over the rows of (T, D): activations alone and fused, a gate, three branches side by side. A class for every
/// row.
using gated = sequential<
    named<"lift", nn::linear<13, 21>>, nn::tanh, named<"norm1", nn::layer_norm<21>>,
    named<"gate", remat::residual<sequential<named<"open", nn::linear<21, 21>>, nn::sigmoid>, remat::identity, nn::multiply>>,
    checkpoint<sequential<named<"up", nn::linear<21, 35>>, nn::gelu<>, named<"down", nn::linear<35, 21>>>>,
    named<"norm2", nn::layer_norm<21>>, nn::silu,
    named<"three", remat::parallel<nn::concat,
        sequential<nn::linear<21, 5>, nn::gelu<nn::gelu_approximation::tanh>>, nn::softmax,
        remat::parallel<nn::multiply, nn::linear<21, 7>, sequential<nn::linear<21, 7>, nn::tanh>, nn::linear<21, 7>>>>,
    nn::tanh, nn::linear<33, 6>>;

/// Images: fused and lone activations, branches joined along the channels and element by element, and a target of float
/// of the output's shape.
using channels = sequential<
    named<"stem", nn::conv2d<3, 7, 3, 1, 1>>, nn::tanh,
    named<"wide", remat::parallel<nn::concat,
        sequential<nn::conv2d<7, 5, 1>, nn::sigmoid>, sequential<nn::conv2d<7, 4, 3, 1, 1>, nn::silu>, nn::softmax>>,
    checkpoint<sequential<nn::gelu<>, named<"mix", nn::conv2d<16, 6, 3, 1, 1>>, nn::sigmoid>>, nn::tanh,
    named<"out", nn::conv2d<6, 3, 3, 1, 1>>>;

/// A class for every pixel, from logits.
using pixel_logits = sequential<nn::conv2d<3, 9, 3, 2, 1>, nn::softmax, nn::conv2d<9, 5, 1>>;

/// Indices (T), two tables, and a loss that computes its logits in chunks.
using tokens = sequential<
    remat::parallel<nn::multiply, named<"left", nn::embedding<41, 12>>, named<"right", nn::embedding<41, 12>>>,
    named<"norm", nn::layer_norm<12>>, checkpoint<sequential<nn::linear<12, 24>, nn::gelu<>, nn::linear<24, 12>>>,
    nn::layer_norm<12>>;

/// One index for a sample, and a class for it.
using word = sequential<nn::embedding<29, 11>, nn::linear<11, 17>, nn::silu, nn::layer_norm<17>, nn::linear<17, 8>>;

/// Probabilities of several labels, each by itself.
using labels = sequential<
    remat::parallel<nn::concat, nn::softmax, sequential<nn::linear<10, 9>, nn::layer_norm<9>, nn::tanh>>,
    nn::sigmoid, nn::linear<19, 7>>;

struct network {
  std::string_view name;
  remat::program (*lower)();
};

template <class Net, class Input, class Loss = nn::nll_loss>
remat::program lowered() {
  return remat::lower<Net, Input, Loss>();
}

inline constexpr std::array networks{
    network{"images", &lowered<images, tensor<float, 1, 28, 28>>},
    network{"pixels", &lowered<pixels, tensor<float, 1, 28, 28>>},
    network{"layers", &lowered<layers, tensor<float, 1, 28, 28>>},
    network{"strided", &lowered<strided, tensor<float, 3, 33, 31>>},
    network{"rows", &lowered<rows, tensor<float, 6, 12>>},
    network{"masked", &lowered<masked, tensor<float, 1, 16, 15>>},
    network{"normed", &lowered<normed, tensor<float, 3, 19, 18>>},
    network{"scaled", &lowered<scaled, tensor<float, 4, 7, 6>>},
    network{"gated", &lowered<gated, tensor<float, 5, 13>, nn::cross_entropy>},
    network{"channels", &lowered<channels, tensor<float, 3, 9, 7>, nn::mse_loss>},
    network{"pixellogits", &lowered<pixel_logits, tensor<float, 3, 9, 7>, nn::cross_entropy>},
    network{"tokens", &lowered<tokens, tensor<std::int32_t, 6>, nn::linear_cross_entropy<12, 20011>>},
    network{"word", &lowered<word, tensor<std::int32_t>, nn::cross_entropy>},
    network{"labels", &lowered<labels, tensor<float, 10>, nn::bce_with_logits>},
};

}  // namespace parity
