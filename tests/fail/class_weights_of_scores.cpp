// error: remat: a loss has a weight for each of its classes
#include <remat/nn/cross_entropy.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

namespace nn = remat::nn;

#ifdef REMAT_FIXED
using loss = nn::cross_entropy_with<nn::class_weights<10>>;
#else
using loss = nn::cross_entropy_with<nn::class_weights<9>>;
#endif

static_assert(remat::peak_activation_bytes<nn::linear<8, 10>, remat::tensor<float, 8>, loss>(4) > 0);
