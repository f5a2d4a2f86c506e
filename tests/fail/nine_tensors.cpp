// error: remat: at most 8 tensors pass between two modules
#include <remat/model/lower.hpp>
#include <remat/nn/concat.hpp>

using remat::identity;
#ifdef REMAT_FIXED
using net = remat::parallel<remat::nn::concat, identity, identity, identity>;
#else
using net = remat::parallel<remat::nn::concat, identity, identity, identity, identity, identity, identity, identity,
                            identity, identity>;
#endif

remat::program made() { return remat::lower<net, remat::tensor<float, 6>>(); }
