// error: remat: a rotary_embedding has a theta above 0
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
using rotary = remat::nn::rotary_embedding<64, remat::nn::rotary_options{.factor = 32}>;
#else
using rotary = remat::nn::rotary_embedding<64, remat::nn::rotary_options{.factor = 0.5}>;
#endif
static_assert(sizeof(rotary) > 0);
