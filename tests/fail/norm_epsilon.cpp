// error: remat: a norm's epsilon is at least 0 and below 1
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
using norm = remat::nn::layer_norm<8, remat::nn::norm_options{.epsilon = 1e-12}>;
#else
using norm = remat::nn::layer_norm<8, remat::nn::norm_options{.epsilon = -1e-12}>;
#endif
static_assert(sizeof(norm) > 0);
