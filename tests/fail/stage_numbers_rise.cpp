// error: remat: stage numbers must not fall along the program
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
constexpr int last = 1;
#else
constexpr int last = 0;
#endif
using net = remat::sequential<remat::nn::linear<784, 128>, remat::on_stage<1, remat::nn::linear<128, 64>>,
                              remat::on_stage<last, remat::nn::linear<64, 10>>>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
