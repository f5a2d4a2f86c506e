// error: remat: a group holds at least one child
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
constexpr std::size_t children = 1;
#else
constexpr std::size_t children = 0;
#endif
using net = remat::checkpoint_sequential<remat::sequential<remat::nn::linear<784, 128>, remat::nn::relu>,
                                         remat::strategy::group<children>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
