// error: remat: each child of a checkpointed sequential must be within one stage
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<16, 16>;
#ifdef REMAT_FIXED
constexpr int second = 0;
#else
constexpr int second = 1;
#endif
// A repeat counts as a sequential of its repetitions: the first of them would be on two stages.
using net = remat::checkpoint<remat::repeat<3, remat::sequential<layer, remat::on_stage<second, layer>>>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
