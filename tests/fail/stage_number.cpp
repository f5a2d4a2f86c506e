// error: remat: a stage number is 0 or more
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
constexpr int stage = 0;
#else
constexpr int stage = -2;
#endif
using net = remat::sequential<remat::on_stage<stage, remat::nn::linear<784, 10>>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
