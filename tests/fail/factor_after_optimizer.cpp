// error: remat: what follows the optimizer in train_step is at most a number, the factor on its learning rate
#include <remat/remat.hpp>

#include <vector>

using model = remat::model<remat::nn::linear<2, 3>, remat::tensor<float, 2>, remat::nn::cross_entropy>;

float train(model& m, const std::vector<float>& x, const std::vector<int>& y, remat::sgd& optimizer) {
#ifdef REMAT_FIXED
  return m.train_step(x, y, optimizer, 0.5);
#else
  return m.train_step(x, optimizer, y);
#endif
}
