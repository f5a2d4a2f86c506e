// error: remat: an adaptive pooling gives at least one row and one column
#include <remat/nn/adaptive_avg_pool2d.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::adaptive_avg_pool2d<1>;
#else
using layer = remat::nn::adaptive_avg_pool2d<0>;
#endif
static_assert(sizeof(layer) > 0);
