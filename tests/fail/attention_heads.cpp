// error: remat: attention has at least one head, and as many for each of its key_value_heads
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
using heads = remat::nn::attention<12, remat::nn::attention_options{.key_value_heads = 4}>;
#else
using heads = remat::nn::attention<12, remat::nn::attention_options{.key_value_heads = 5}>;
#endif
static_assert(sizeof(heads) > 0);
