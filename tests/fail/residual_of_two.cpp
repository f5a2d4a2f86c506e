// error: remat: a residual adds one tensor of its body to one of its shortcut, and here are more
#include <remat/model/parallel.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

namespace nn = remat::nn;
using two = remat::parallel<remat::identity, nn::linear<16, 16>, nn::linear<16, 16>>;
#ifdef REMAT_FIXED
using again = remat::residual<remat::pick<0>, remat::pick<1>>;
#else
using again = remat::residual<remat::identity>;
#endif
using net = remat::sequential<two, again>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
