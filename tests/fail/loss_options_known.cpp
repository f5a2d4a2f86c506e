// error: remat: the options of a loss are label_smoothing
#include <remat/nn/cross_entropy.hpp>

#ifdef REMAT_FIXED
using option = remat::nn::ignore_index<255>;
#else
using option = std::true_type;
#endif

static_assert(remat::nn::cross_entropy_with<option>::kind == "cross_entropy");
