// error: remat: a module's name must not be empty, a number, or hold a dot
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using net = remat::named<"head_1", remat::nn::linear<784, 10>>;
#else
using net = remat::named<"head.1", remat::nn::linear<784, 10>>;
#endif

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
