// error: remat: a checkpoint's policy must be one of those in remat/core/policy.hpp, or a type with `decide` or `plan`
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

struct keep_products {
#ifdef REMAT_FIXED
  static constexpr remat::decision decide(const remat::operation_view& o) {
    return o.kind == "linear" ? remat::decision::keep : remat::decision::recompute;
  }
#endif
};
using net =
    remat::checkpoint<remat::sequential<remat::nn::linear<784, 128>, remat::nn::relu, remat::nn::linear<128, 10>>,
                      keep_products>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
