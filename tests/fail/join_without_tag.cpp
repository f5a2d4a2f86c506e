// error: remat: a join must name a tag that comes before it
#include <remat/nn/add.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using remembered = remat::tag<"skip">;
#else
using remembered = remat::tag<"other">;
#endif
using net = remat::sequential<remembered, remat::nn::linear<16, 16>, remat::join<"skip", remat::nn::add>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
