// error: remat: a batch norm has at least one channel, a positive epsilon and a momentum from 0 to 1
#include <remat/nn/batch_norm2d.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::batch_norm2d<8, remat::nn::batch_norm_options{.momentum = 0.01}>;
#else
using layer = remat::nn::batch_norm2d<8, remat::nn::batch_norm_options{.momentum = 1.1}>;
#endif
static_assert(sizeof(layer) > 0);
