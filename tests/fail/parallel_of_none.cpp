// error: remat: parallel<Join, Branches...> has at least one branch
#include <remat/nn/add.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<16, 16>;
#ifdef REMAT_FIXED
using net = remat::parallel<remat::nn::add, layer, remat::identity>;
#else
using net = remat::sequential<layer, remat::parallel<remat::nn::add>>;
#endif

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
