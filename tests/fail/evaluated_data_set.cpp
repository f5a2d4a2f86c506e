// error: remat: evaluate takes the batches of a data set, data.batches(64), or a range of tuples
#include <remat/remat.hpp>

using model = remat::model<remat::nn::linear<2, 3>, remat::tensor<float, 2>, remat::nn::cross_entropy>;

double evaluate(model& m, const remat::npy_set<float, std::int32_t>& data) {
#ifdef REMAT_FIXED
  return m.evaluate(data.batches(64), remat::accuracy{});
#else
  return m.evaluate(data, remat::accuracy{});
#endif
}
