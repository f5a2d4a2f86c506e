// error: takes a chain whose children are the same modules
// constant expression
#include <remat/core/policies.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<16, 16>;
#ifdef REMAT_FIXED
using chain = remat::sequential<layer, layer, remat::named<"last", layer>>;
#else
using chain = remat::sequential<layer, layer, remat::nn::linear<16, 16, remat::nn::bias::without>>;
#endif

static_assert(remat::peak_activation_bytes<remat::checkpoint<chain, remat::revolve<2>>, remat::tensor<float, 16>>(1) >
              0);
