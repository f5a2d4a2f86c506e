// error: remat: an embedding has at least one row and one column
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
using table = remat::nn::embedding<100, 8>;
#else
using table = remat::nn::embedding<0, 8>;
#endif
static_assert(sizeof(table) > 0);
