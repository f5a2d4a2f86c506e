// error: remat: modules are shared under a name that is not empty
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<16, 16>;
#ifdef REMAT_FIXED
using net = remat::sequential<remat::shared<"twice", layer>, remat::shared<"twice", layer>>;
#else
using net = remat::sequential<remat::shared<"", layer>, remat::shared<"", layer>>;
#endif

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
