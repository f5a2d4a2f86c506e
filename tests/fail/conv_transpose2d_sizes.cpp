// error: remat: a transposed convolution has at least one input channel, output channel, kernel element, step and dilation
#include <remat/nn/conv_transpose2d.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::conv_transpose2d<4, 2, 2, remat::nn::window{.stride = 2}>;
#else
using layer = remat::nn::conv_transpose2d<4, 0, 2, remat::nn::window{.stride = 2}>;
#endif
static_assert(sizeof(layer) > 0);
