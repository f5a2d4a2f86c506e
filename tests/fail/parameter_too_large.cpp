// error: has more than 2^31 - 1 elements
// constant expression
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
constexpr std::size_t features = 1u << 15;
#else
constexpr std::size_t features = 1u << 16;
#endif

using net = remat::nn::linear<features, features>;
static_assert(remat::peak_activation_bytes<net, remat::tensor<float, features>>(1) > 0);
