// error: remat: a repeated module must leave tags of the shapes that it finds, from its second pass on
#include <remat/nn/concat.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

namespace nn = remat::nn;
// It collects what each pass gives.
using pass = remat::sequential<nn::linear<4, 4>, remat::tag<"h">, remat::join<"all", nn::concat>, remat::tag<"all">,
                               remat::join<"h", remat::pick<1>>>;
#ifdef REMAT_FIXED
using passes = remat::sequential<pass, pass, pass>;
#else
using passes = remat::repeat<3, pass>;
#endif
using net = remat::sequential<remat::tag<"all">, passes, remat::join<"all", remat::pick<1>>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 4>>(1) > 0);
