// error: remat: an input is a range of float
#include <remat/remat.hpp>

#include <vector>

using model = remat::model<remat::nn::linear<2, 3>, remat::tensor<float, 2>, remat::nn::cross_entropy>;

#ifdef REMAT_FIXED
using numbers = std::vector<float>;
#else
using numbers = std::vector<double>;
#endif

float train(model& m, const numbers& x, const std::vector<int>& t) { return m.train_step(x, t); }
