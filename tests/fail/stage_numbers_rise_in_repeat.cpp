// error: remat: stage numbers must not fall along the program
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<16, 16>;
#ifdef REMAT_FIXED
constexpr int first = 1;
#else
constexpr int first = 0;
#endif
// The second repetition would go back to stage 0.
using net = remat::repeat<2, remat::sequential<remat::on_stage<first, layer>, remat::on_stage<1, layer>>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
