// error: remat: a checkpointed module that is no sequential must be within one stage
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<16, 16>;
#ifdef REMAT_FIXED
constexpr int second = 0;
#else
constexpr int second = 1;
#endif
using net =
    remat::checkpoint<remat::named<"block", remat::residual<remat::sequential<layer, remat::on_stage<second, layer>>>>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
