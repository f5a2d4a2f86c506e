// error: remat: a segment holds at least one child, and revolve at least one slot
#include <remat/core/policies.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using policy = remat::revolve<1>;
#else
using policy = remat::revolve<0>;
#endif
using net = remat::checkpoint<remat::repeat<4, remat::nn::linear<16, 16>>, policy>;

static_assert(remat::peak_activation_bytes<net, remat::tensor<float, 16>>(1) > 0);
