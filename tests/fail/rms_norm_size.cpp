// error: remat: an rms_norm has at least one element in a row
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
using norm = remat::nn::rms_norm<8>;
#else
using norm = remat::nn::rms_norm<0>;
#endif
static_assert(sizeof(norm) > 0);
