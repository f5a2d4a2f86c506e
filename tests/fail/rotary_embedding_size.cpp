// error: remat: a rotary_embedding turns pairs of a head's elements
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
using rotary = remat::nn::rotary_embedding<64>;
#else
using rotary = remat::nn::rotary_embedding<63>;
#endif
static_assert(sizeof(rotary) > 0);
