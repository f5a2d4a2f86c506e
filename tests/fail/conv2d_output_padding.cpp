// error: remat: only a transposed convolution has an output padding
#include <remat/nn/conv2d.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::conv2d<1, 8, 3, remat::nn::window{.stride = 2}>;
#else
using layer = remat::nn::conv2d<1, 8, 3, remat::nn::window{.stride = 2, .output_padding = 1}>;
#endif
static_assert(sizeof(layer) > 0);
