// error: a batch holds at least one sample
// constant expression
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
constexpr std::size_t batch = 1;
#else
constexpr std::size_t batch = 0;
#endif
static_assert(remat::peak_activation_bytes<remat::nn::linear<8, 8>, remat::tensor<float, 8>>(batch) > 0);
