// error: remat: modules compute with float or with remat::bfloat16; choose one of these
#include <remat/remat.hpp>

namespace nn = remat::nn;

#ifdef REMAT_FIXED
using number = remat::bfloat16;
#else
using number = double;
#endif

using net = remat::computed_as<number, nn::linear<4, 2>>;
static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 4>, nn::mse_loss>(8) > 0);
