// error: remat: stage numbers must not fall along the program
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<16, 16>;
#ifdef REMAT_FIXED
constexpr int last = 1;
#else
constexpr int last = 0;
#endif
// The inner number counts, and is below the outer one.
using net = remat::on_stage<1, remat::sequential<layer, remat::on_stage<last, layer>>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
