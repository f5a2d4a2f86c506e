// error: remat: a pooling has neither groups nor an output padding
#include <remat/nn/max_pool2d.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::max_pool2d<2, remat::nn::window{.stride = 1}>;
#else
using layer = remat::nn::max_pool2d<2, remat::nn::window{.groups = 2}>;
#endif
static_assert(sizeof(layer) > 0);
