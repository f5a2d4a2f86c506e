// error: remat: a convolution's groups divide its input channels and its output channels
#include <remat/nn/conv2d.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::conv2d<6, 8, 3, 1, 0, remat::nn::bias::with, 1, 2>;
#else
using layer = remat::nn::conv2d<6, 8, 3, 1, 0, remat::nn::bias::with, 1, 3>;
#endif
static_assert(sizeof(layer) > 0);
