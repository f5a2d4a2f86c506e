// error: remat: a checkpoint's storage must be one of those in remat/core/storage.hpp
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using storage = remat::keep;
#else
using storage = float;
#endif
using net = remat::checkpoint<remat::nn::linear<784, 128>, remat::recompute_all, storage>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
