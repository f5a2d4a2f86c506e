// error: remat: an upsampling's scale is at least 1, and no number beyond 2^31 - 1
#include <remat/nn/upsample_nearest.hpp>

#ifdef REMAT_FIXED
using layer = remat::nn::upsample_nearest<2>;
#else
using layer = remat::nn::upsample_nearest<0>;
#endif
static_assert(sizeof(layer) > 0);
