// error: remat: a policy that looks for kinds or names finds them inside its checkpoint, and this one does not
#include <remat/core/policies.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using policy = remat::save_named<"wide", "narrow">;
#else
using policy = remat::save_named<"wide", "narow">;
#endif
using wide = remat::named<"wide", remat::nn::linear<784, 128>>;
using narrow = remat::named<"narrow", remat::nn::linear<128, 128>>;
using net = remat::sequential<
    remat::nn::linear<784, 784>,
    remat::checkpoint<remat::repeat<2, remat::residual<remat::sequential<wide, remat::nn::relu, narrow,
                                                                         remat::nn::linear<128, 784>>>>,
                      policy>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
