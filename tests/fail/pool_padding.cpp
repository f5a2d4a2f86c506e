// error: remat: a pooling's padding is from 0 to half of its window
#include <remat/nn/max_pool2d.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using pool = remat::nn::max_pool2d<3, remat::nn::window{.stride = 2, .padding = 1}>;
#else
using pool = remat::nn::max_pool2d<3, remat::nn::window{.stride = 2, .padding = 2}>;
#endif

static_assert(remat::peak_activation_bytes<pool, remat::image<float, 1, 28, 28>>(1) > 0);
