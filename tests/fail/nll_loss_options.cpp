// error: remat: nll_loss has no label smoothing
#include <remat/nn/nll_loss.hpp>

#ifdef REMAT_FIXED
using option = remat::nn::ignore_index<255>;
#else
using option = remat::nn::label_smoothing<0.1>;
#endif

static_assert(remat::nn::nll_loss_with<option>::kind == "nll_loss");
