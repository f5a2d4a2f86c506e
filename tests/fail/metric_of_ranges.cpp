// error: remat: a metric's targets are a flat range of integers or of float
#include <remat/remat.hpp>

#include <utility>
#include <vector>

using model = remat::model<remat::nn::linear<2, 3>, remat::tensor<float, 2>, remat::nn::cross_entropy>;

#ifdef REMAT_FIXED
using labels = std::vector<int>;
#else
using labels = std::vector<std::vector<int>>;
#endif

double evaluate(model& m, const std::vector<std::pair<std::vector<float>, labels>>& batches) {
  return m.evaluate(batches, remat::accuracy{});
}
