// error: remat: a positional_embedding has at least one position and one column
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
using table = remat::nn::positional_embedding<100, 8>;
#else
using table = remat::nn::positional_embedding<0, 8>;
#endif
static_assert(sizeof(table) > 0);
