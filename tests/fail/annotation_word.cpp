// error: remat: a policy that looks for kinds or names finds them inside its checkpoint, and this one does not
#include <remat/core/policies.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<8, 8>;
using mlp = remat::sequential<remat::named<"wide", layer>, remat::nn::relu, layer>;
using block = remat::sequential<remat::residual<layer>, remat::named<"mlp", mlp>>;
using net = remat::sequential<remat::named<"h", remat::repeat<12, block>>, remat::named<"head", layer>>;

#ifdef REMAT_FIXED
using policy = remat::save_named<"wide">;  // in one of the children of each block, which is enough
#else
using policy = remat::save_named<"head">;
#endif
using annotated = remat::set_activation_checkpointing<net, "h.*.*", remat::strategy::each_if_sequential, policy>;

static_assert(remat::peak_activation_bytes<annotated, remat::tensor<float, 8>>(1) > 0);
