// error: remat: a batch norm has at least one channel, a positive epsilon and a momentum from 0 to 1
#include <remat/nn/batch_norm2d.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::batch_norm2d<8>;
#else
using layer = remat::nn::batch_norm2d<0>;
#endif
static_assert(sizeof(layer) > 0);
