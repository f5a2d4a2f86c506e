// error: remat: pick<I...> takes tensors by number, from 0
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using chosen = remat::pick<1>;
#else
using chosen = remat::pick<2>;
#endif
using inputs = remat::tensors<remat::tensor<float, 16>, remat::tensor<float, 8>>;
using net = remat::sequential<chosen, remat::nn::linear<8, 8>>;

static_assert(remat::peak_activation_bytes<net, inputs>(1) > 0);
