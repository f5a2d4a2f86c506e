// error: remat: a module is repeated at least once
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
constexpr std::size_t times = 1;
#else
constexpr std::size_t times = 0;
#endif
using net = remat::repeat<times, remat::nn::linear<16, 16>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
