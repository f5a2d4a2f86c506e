// error: remat: a class_token has at least one element
#include <remat/nn/class_token.hpp>

#ifdef REMAT_FIXED
using token = remat::nn::class_token<8>;
#else
using token = remat::nn::class_token<0>;
#endif
static_assert(sizeof(token) > 0);
