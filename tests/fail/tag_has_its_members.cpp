// error: remat: a policy or strategy in a type must be complete without arguments
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

struct save_below {
  std::size_t bytes;  // 0, if a type alone were enough

  constexpr remat::decision decide(const remat::operation_view& o) const {
    return o.output_bytes < bytes ? remat::decision::keep : remat::decision::recompute;
  }
};
#ifdef REMAT_FIXED
using policy = remat::with<save_below{1000}>;
#else
using policy = save_below;
#endif
using net = remat::checkpoint<remat::sequential<remat::nn::linear<784, 128>, remat::nn::relu>, policy>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 784>>(1) > 0);
