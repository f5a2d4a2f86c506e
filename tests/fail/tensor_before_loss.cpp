// error: remat: this loss takes images, and a tensor of three extents is none; let the model end with remat::image<float, C, H, W>
#include <remat/nn/cross_entropy.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using input = remat::image<float, 3, 8, 8>;
#else
using input = remat::tensor<float, 3, 8, 8>;
#endif

static_assert(remat::peak_activation_bytes<remat::nn::relu, input, remat::nn::cross_entropy>(1) > 0);
