// error: remat: a policy that cuts a chain (every, square_root, revolve) takes a sequential or a repeat
#include <remat/core/policies.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<16, 16>;
#ifdef REMAT_FIXED
using net = remat::checkpoint<remat::repeat<4, layer>, remat::square_root>;
#else
using net = remat::checkpoint<remat::residual<layer>, remat::square_root>;
#endif

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
