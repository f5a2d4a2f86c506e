// error: remat: this module takes images, and a tensor of three extents is none; declare the model's input as remat::image<float, C, H, W>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

namespace nn = remat::nn;

#ifdef REMAT_FIXED
using input = remat::image<float, 1, 28, 28>;
#else
using input = remat::tensor<float, 1, 28, 28>;
#endif
using net = remat::sequential<nn::conv2d<1, 8, 3>, nn::conv2d<8, 8, 3>, nn::flatten, nn::linear<4608, 10>>;

static_assert(remat::peak_activation_bytes<net, input>(1) > 0);
