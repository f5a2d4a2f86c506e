// error: remat: a module is annotated once; leave one of the annotations out, or change its path
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<8, 8>;
using block = remat::sequential<remat::named<"attn", remat::residual<layer>>,
                                remat::named<"mlp", remat::sequential<layer, remat::nn::relu, layer>>>;
using net = remat::sequential<remat::named<"h", remat::repeat<12, block>>, remat::named<"head", layer>>;

#ifdef REMAT_FIXED
using annotated = remat::set_activation_checkpointing<remat::set_activation_checkpointing<net, "h.1*">, "h.*2*.attn">;
#else
using annotated =
    remat::set_activation_checkpointing<remat::set_activation_checkpointing<net, "h.1*.attn">, "h.*0*.attn">;
#endif

static_assert(remat::peak_activation_bytes<annotated, remat::tensor<float, 8>>(1) > 0);
