// error: remat: this module takes tensors, and an image is none; declare the model's input as remat::tensor<float, ...>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using input = remat::tensor<float, 4, 6, 8>;
#else
using input = remat::image<float, 4, 6, 8>;
#endif

static_assert(remat::peak_activation_bytes<remat::nn::linear<8, 3>, input>(1) > 0);
