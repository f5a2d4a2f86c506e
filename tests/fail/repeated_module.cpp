// error: remat: a repeated module must give what it takes
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using block = remat::nn::linear<16, 16>;
#else
using block = remat::nn::linear<16, 8>;
#endif

static_assert(remat::peak_activation_bytes<remat::repeat<3, block>, remat::tensor<float, 16>>(1) > 0);
