// error: remat: a segment holds at least one child
#include <remat/core/policies.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using policy = remat::every<1>;
#else
using policy = remat::every<0>;
#endif
using net = remat::checkpoint<remat::repeat<4, remat::nn::linear<16, 16>>, policy>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
