// error: remat: train_step changes the optimizer that it is given; give it one that is not const
#include <remat/remat.hpp>

#include <vector>

using model = remat::model<remat::nn::linear<2, 3>, remat::tensor<float, 2>, remat::nn::cross_entropy>;

#ifdef REMAT_FIXED
float train(model& m, const std::vector<float>& x, const std::vector<int>& y, remat::sgd& optimizer) {
#else
float train(model& m, const std::vector<float>& x, const std::vector<int>& y, const remat::sgd& optimizer) {
#endif
  return m.train_step(x, y, optimizer);
}
