// error: remat: a tensor is a flat range of float
#include <remat/remat.hpp>

#include <span>
#include <vector>

using model = remat::model<remat::nn::linear<2, 3>, remat::tensor<float, 2>, remat::nn::cross_entropy>;

#ifdef REMAT_FIXED
using rows = float[4][2];
#else
using rows = std::vector<std::vector<float>>;
#endif

std::span<const float> predict(model& m, const rows& x) { return m.predict(x); }
