// error: a budget has no number of bytes
// constant expression
#include <remat/core/budget.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/tanh.hpp>
#include <remat/plan/plan.hpp>

namespace nn = remat::nn;
using chain = remat::sequential<nn::linear<16, 32>, nn::tanh, nn::linear<32, 16>>;
#ifdef REMAT_FIXED
using net = remat::checkpoint<chain, remat::budget<100'000>>;
#else
using net = remat::checkpoint<chain, remat::budget<>>;  // of a model that has the option activation_bytes
#endif

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(64) > 0);
