// error: remat: a pooling's window, step and dilation are at least 1
#include <remat/nn/avg_pool2d.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::avg_pool2d<remat::nn::extents{3, 1}>;
#else
using layer = remat::nn::avg_pool2d<remat::nn::extents{3, 0}>;
#endif
static_assert(sizeof(layer) > 0);
