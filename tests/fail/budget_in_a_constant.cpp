// error: bytes is too small for a step of
// constant expression
#include <remat/core/budget.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/tanh.hpp>
#include <remat/plan/plan.hpp>

namespace nn = remat::nn;
#ifdef REMAT_FIXED
constexpr std::size_t bytes = 100'000;
#else
constexpr std::size_t bytes = 1'000;
#endif
using chain = remat::sequential<nn::linear<16, 32>, nn::tanh, nn::linear<32, 32>, nn::tanh, nn::linear<32, 16>>;
using net = remat::checkpoint<chain, remat::budget<bytes>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(64) > 0);
