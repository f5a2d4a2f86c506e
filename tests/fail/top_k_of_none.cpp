// error: remat: top_k counts at least the highest output: top_k<1> or more
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
const remat::top_k<1> metric;
#else
const remat::top_k<0> metric;
#endif
