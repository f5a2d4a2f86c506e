// error: remat: inlined<M> makes the parts of M children of the module around it
#include <remat/model/inlined.hpp>
#include <remat/nn/add.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

namespace nn = remat::nn;
using after = remat::sequential<nn::add, nn::relu>;
#ifdef REMAT_FIXED
using joined = remat::join<"skip", remat::inlined<after>>;
#else
using joined = remat::inlined<remat::join<"skip", after>>;
#endif
using net = remat::sequential<remat::tag<"skip">, nn::linear<16, 16>, joined>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
