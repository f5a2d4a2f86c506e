// error: remat: checkpoint_sequential takes a sequential
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

using layer = remat::nn::linear<784, 128>;
#ifdef REMAT_FIXED
using net = remat::checkpoint_sequential<remat::sequential<layer>>;
#else
using net = remat::checkpoint_sequential<layer>;
#endif

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
