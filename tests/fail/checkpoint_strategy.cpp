// error: remat: a strategy must be strategy::each, contiguous, group<N> or boundaries<"path"...>
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using strategy = remat::strategy::group<2>;
#else
using strategy = remat::recompute_all;
#endif
using net = remat::checkpoint_sequential<remat::sequential<remat::nn::linear<784, 128>, remat::nn::relu>, strategy>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
