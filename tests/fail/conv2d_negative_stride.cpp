// error: remat: a convolution has at least one input channel, output channel, kernel element, step and dilation
#include <remat/nn/conv2d.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::conv2d<1, 8, 3, remat::nn::window{.stride = {2, 1}}>;
#else
using layer = remat::nn::conv2d<1, 8, 3, remat::nn::window{.stride = {2, -1}}>;
#endif
static_assert(sizeof(layer) > 0);
