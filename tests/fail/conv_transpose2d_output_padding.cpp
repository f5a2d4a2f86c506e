// error: remat: a transposed convolution's output padding is smaller than its step
#include <remat/nn/conv_transpose2d.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::conv_transpose2d<4, 2, 3, remat::nn::window{.stride = 2, .padding = 1, .output_padding = 1}>;
#else
using layer = remat::nn::conv_transpose2d<4, 2, 3, remat::nn::window{.stride = 2, .padding = 1, .output_padding = 2}>;
#endif
static_assert(sizeof(layer) > 0);
