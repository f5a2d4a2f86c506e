// error: remat: a loss's label smoothing is from 0 to 1
#include <remat/nn/cross_entropy.hpp>

#ifdef REMAT_FIXED
constexpr remat::nn::real share = 0.1;
#else
constexpr remat::nn::real share = 10;
#endif

static_assert(remat::nn::cross_entropy_with<remat::nn::label_smoothing<share>>::ignored == -100);
