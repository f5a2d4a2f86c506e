// error: remat: a module must accept what the module before it gives
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
constexpr std::size_t width = 16;
#else
constexpr std::size_t width = 8;
#endif
using net = remat::residual<remat::nn::linear<16, width>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
