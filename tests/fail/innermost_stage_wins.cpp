// error: remat: a checkpointed module that is no sequential must be within one stage
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<16, 16>;
#ifdef REMAT_FIXED
constexpr int first = 1;
#else
constexpr int first = 0;
#endif
// The inner number counts, so that the block is on stages 0 and 1.
using net =
    remat::on_stage<1, remat::checkpoint<remat::residual<remat::sequential<remat::on_stage<first, layer>, layer>>>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
