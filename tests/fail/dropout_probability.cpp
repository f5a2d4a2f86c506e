// error: remat: a dropout's probability is at least 0 and below 1
#include <remat/nn/dropout.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using dropout = remat::nn::dropout<0.5>;
#else
using dropout = remat::nn::dropout<1.0>;
#endif

static_assert(remat::peak_activation_bytes<dropout, remat::tensor<float, 784>>(1) > 0);
