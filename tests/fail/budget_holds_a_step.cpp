// error: remat: a budget must have at least the smallest number of bytes with which a step fits
// names: smallest_feasible_bytes<28672>
#include <remat/core/budget.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/tanh.hpp>
#include <remat/plan/plan.hpp>

namespace nn = remat::nn;
#ifdef REMAT_FIXED
constexpr std::size_t bytes = 28'672;
#else
constexpr std::size_t bytes = 28'671;
#endif
using chain = remat::sequential<nn::linear<16, 32>, nn::tanh, nn::linear<32, 32>, nn::tanh, nn::linear<32, 32>,
                                nn::tanh, nn::linear<32, 16>, nn::tanh>;
using net = remat::checkpoint<chain, remat::budget<bytes>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>, 64>() < 1'000'000);
