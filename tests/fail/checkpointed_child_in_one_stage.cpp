// error: remat: each child of a checkpointed sequential must be within one stage
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
constexpr int second = 0;
#else
constexpr int second = 1;
#endif
using child = remat::sequential<remat::nn::linear<784, 128>, remat::on_stage<second, remat::nn::linear<128, 64>>>;
using net = remat::sequential<remat::checkpoint_sequential<remat::sequential<child, remat::nn::linear<64, 10>>>,
                              remat::nn::log_softmax>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
