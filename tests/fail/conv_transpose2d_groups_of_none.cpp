// error: remat: a transposed convolution's groups divide its input channels and its output channels
#include <remat/nn/conv_transpose2d.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::conv_transpose2d<4, 6, 3, remat::nn::window{.groups = 2}>;
#else
using layer = remat::nn::conv_transpose2d<4, 6, 3, remat::nn::window{.groups = 0}>;
#endif
static_assert(sizeof(layer) > 0);
