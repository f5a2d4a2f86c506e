// error: remat: inlined<M> makes the parts of M children of the module around it
#include <remat/core/policies.hpp>
#include <remat/model/inlined.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<16, 16>;
using layers = remat::sequential<layer, layer>;
#ifdef REMAT_FIXED
using net = remat::sequential<remat::shared<"x", remat::inlined<layers>>>;
#else
using net = remat::sequential<remat::inlined<remat::shared<"x", layers>>>;
#endif

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
