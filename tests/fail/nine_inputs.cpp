// error: remat: at most 8 tensors pass between two modules
#include <remat/model/lower.hpp>
#include <remat/model/parallel.hpp>

using t = remat::tensor<float, 6>;
#ifdef REMAT_FIXED
using input = remat::tensors<t, t, t, t, t, t, t, t>;
#else
using input = remat::tensors<t, t, t, t, t, t, t, t, t>;
#endif

remat::program made() { return remat::lower<remat::pick<0>, input>(); }
