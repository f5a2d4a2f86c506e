// error: remat: a checkpointed module that is no sequential must be within one stage
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<8, 8>;
// The first block alone is on two stages: the others are on the stage of the block before them.
using block = remat::residual<remat::sequential<layer, remat::on_stage<1, layer>>>;
using net = remat::sequential<remat::named<"h", remat::repeat<12, block>>, layer>;
#ifdef REMAT_FIXED
using annotated = remat::set_activation_checkpointing<net, "h.11">;
#else
using annotated = remat::set_activation_checkpointing<net, "h.*">;
#endif

static_assert(remat::peak_activation_bytes<annotated, remat::tensor<float, 8>>(1) > 0);
