// error: remat: a checkpointed module that is no sequential must be within one stage
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<8, 8>;
#ifdef REMAT_FIXED
constexpr int second = 0;
#else
constexpr int second = 1;
#endif
struct block : remat::module {
  using body = remat::sequential<layer, remat::on_stage<second, layer>>;
};
using net = remat::sequential<remat::named<"head", block>, remat::named<"loss_head", layer>>;
using annotated = remat::set_activation_checkpointing<net, "head">;

static_assert(remat::peak_activation_bytes<annotated, remat::tensor<float, 8>>(1) > 0);
