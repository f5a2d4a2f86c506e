// error: remat: a loss has a weight for each of its classes
#include <remat/nn/linear_cross_entropy.hpp>

#ifdef REMAT_FIXED
using option = remat::nn::class_weights<10>;
#else
using option = remat::nn::class_weights<9>;
#endif

static_assert(remat::nn::linear_cross_entropy<8, 10, remat::nn::bias::with, option>::kind == "linear_cross_entropy");
