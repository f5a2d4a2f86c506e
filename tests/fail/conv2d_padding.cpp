// error: remat: a convolution's padding is at least 0
#include <remat/nn/conv2d.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::conv2d<1, 8, 3, remat::nn::window{.padding = {0, 1}}>;
#else
using layer = remat::nn::conv2d<1, 8, 3, remat::nn::window{.padding = {0, -1}}>;
#endif
static_assert(sizeof(layer) > 0);
