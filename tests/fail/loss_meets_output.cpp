// error: remat: the loss must accept the model's output
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

using net = remat::sequential<remat::nn::linear<784, 10>, remat::nn::log_softmax>;
#ifdef REMAT_FIXED
using loss = remat::nn::nll_loss;
#else
using loss = remat::nn::relu;
#endif

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>, loss>(1) > 0);
