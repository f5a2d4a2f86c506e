// error: remat: a module with a body computes nothing itself
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

struct block : remat::module {
  using body = remat::sequential<remat::nn::linear<4, 4>, remat::nn::relu>;
#ifndef REMAT_FIXED
  static constexpr remat::traits is{.in_place = true};
#endif
};

static_assert(remat::peak_activation_bytes<block, remat::tensor<float, 4>>(1) > 0);
