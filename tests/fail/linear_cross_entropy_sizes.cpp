// error: remat: a linear_cross_entropy has at least one input and one class
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
using loss = remat::nn::linear_cross_entropy<8, 100>;
#else
using loss = remat::nn::linear_cross_entropy<8, 0>;
#endif
static_assert(sizeof(loss) > 0);
