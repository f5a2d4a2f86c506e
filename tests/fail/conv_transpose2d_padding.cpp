// error: remat: a transposed convolution's paddings are at least 0
#include <remat/nn/conv_transpose2d.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::conv_transpose2d<4, 6, 3, remat::nn::window{.padding = 1}>;
#else
using layer = remat::nn::conv_transpose2d<4, 6, 3, remat::nn::window{.padding = -1}>;
#endif
static_assert(sizeof(layer) > 0);
