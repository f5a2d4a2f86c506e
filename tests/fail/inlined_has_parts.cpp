// error: remat: inlined<M> makes the parts of M children of the module around it
#include <remat/model/inlined.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<16, 16>;
#ifdef REMAT_FIXED
using net = remat::sequential<remat::inlined<remat::sequential<layer, layer>>>;
#else
using net = remat::sequential<remat::inlined<layer>>;
#endif

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
