// error: remat: an npy_set is of float, std::int32_t, or tensors and images of these
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
using number = float;
#else
using number = double;
#endif

std::size_t samples() { return remat::npy_set<number, std::int32_t>("inputs.npy", "labels.npy").size(); }
