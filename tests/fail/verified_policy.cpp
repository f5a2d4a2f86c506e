// error: remat: a checkpoint's policy must be one of those in remat/core/policy.hpp, or a type with `decide` or `plan`
// names: is_policy<remat::verified<int>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using policy = remat::verified<remat::recompute_all>;
#else
using policy = remat::verified<int>;
#endif
using net = remat::checkpoint<remat::nn::linear<8, 8>, policy>;
static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 8>>(1) > 0);
