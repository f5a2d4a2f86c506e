// error: remat: a pooling by averages has no dilation, as in PyTorch
#include <remat/nn/avg_pool2d.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::avg_pool2d<2>;
#else
using layer = remat::nn::avg_pool2d<2, remat::nn::window{.dilation = 2}>;
#endif
static_assert(sizeof(layer) > 0);
