// error: remat: no module of the model has the path of this annotation; name one that there is
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<8, 8>;
using block = remat::sequential<remat::named<"attn", remat::residual<layer>>,
                                remat::named<"mlp", remat::sequential<layer, remat::nn::relu, layer>>>;
using net = remat::sequential<remat::named<"h", remat::repeat<12, block>>, remat::named<"head", layer>>;

#ifdef REMAT_FIXED
using annotated = remat::set_activation_checkpointing<net, "head">;
#else
using annotated = remat::set_activation_checkpointing<net, "1">;
#endif

static_assert(remat::peak_activation_bytes<annotated, remat::tensor<float, 8>>(1) > 0);
