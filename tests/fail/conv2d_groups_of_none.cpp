// error: remat: a convolution's groups divide its input channels and its output channels
#include <remat/nn/conv2d.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::conv2d<6, 8, 3, remat::nn::window{.groups = 2}>;
#else
using layer = remat::nn::conv2d<6, 8, 3, remat::nn::window{.groups = 0}>;
#endif
static_assert(sizeof(layer) > 0);
