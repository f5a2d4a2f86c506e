// error: makes a tensor of more than 2^31 - 1 elements
// constant expression
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
constexpr std::size_t batch = (std::size_t(1) << 28) - 1;
#else
constexpr std::size_t batch = std::size_t(1) << 28;
#endif
static_assert(remat::peak_activation_bytes<remat::nn::linear<8, 8>, remat::tensor<float, 8>>(batch) > 0);
