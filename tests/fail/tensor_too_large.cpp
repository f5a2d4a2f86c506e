// error: remat: a sample has at most 2^31 - 1 elements
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using input = remat::tensor<float, 1, 1u << 16, 1u << 14>;
#else
using input = remat::tensor<float, 16, std::size_t(1) << 32, std::size_t(1) << 32>;
#endif

static_assert(remat::peak_activation_bytes<remat::nn::relu, input>(1) > 0);
