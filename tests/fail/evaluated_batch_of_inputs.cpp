// error: remat: a batch for evaluate holds inputs and, last, targets; give it a tuple of both
#include <remat/remat.hpp>

#include <tuple>
#include <vector>

using model = remat::model<remat::nn::linear<2, 3>, remat::tensor<float, 2>, remat::nn::cross_entropy>;

#ifdef REMAT_FIXED
using batch = std::tuple<std::vector<float>, std::vector<int>>;
#else
using batch = std::tuple<std::vector<float>>;
#endif

double evaluate(model& m, const std::vector<batch>& batches) { return m.evaluate(batches, remat::accuracy{}); }
