// error: remat: a checkpointed module that is no sequential must be within one stage
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
constexpr int second = 0;
#else
constexpr int second = 1;
#endif
struct head : remat::module {
  using body = remat::sequential<remat::on_stage<0, remat::nn::linear<784, 128>>,
                                 remat::on_stage<second, remat::nn::linear<128, 10>>>;
};
using net = remat::sequential<remat::checkpoint<head>, remat::nn::log_softmax>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
