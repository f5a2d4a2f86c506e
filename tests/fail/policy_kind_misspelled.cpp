// error: remat: a policy that looks for kinds or names finds them inside its checkpoint, and this one does not
#include <remat/core/policies.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using kind = remat::kind<"linear">;
#else
using kind = remat::kind<"Linear">;
#endif
using net = remat::checkpoint_sequential<
    remat::sequential<remat::nn::linear<784, 128>, remat::nn::relu, remat::nn::linear<128, 10>>, remat::strategy::each,
    remat::save_only<remat::nn::relu, kind>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
