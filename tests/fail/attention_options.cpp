// error: remat: attention has a dropout of at least 0 and below 1
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
using heads = remat::nn::attention<12, remat::nn::attention_options{.dropout = 0.1}>;
#else
using heads = remat::nn::attention<12, remat::nn::attention_options{.dropout = 1}>;
#endif
static_assert(sizeof(heads) > 0);
