// error: remat: a sample has at most 4 extents; flatten some
#include <remat/core/tensor.hpp>

#ifdef REMAT_FIXED
using sample = remat::tensor<float, 2, 3, 4, 30>;
#else
using sample = remat::tensor<float, 2, 3, 4, 5, 6>;
#endif

constexpr std::size_t elements = remat::shape_of<sample>::value.elements();
