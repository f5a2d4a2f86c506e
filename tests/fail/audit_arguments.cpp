// error: remat: audit takes inputs and targets, and then an optimizer
#include <remat/remat.hpp>

#include <vector>

using model = remat::model<remat::nn::linear<2, 3>, remat::tensor<float, 2>, remat::nn::cross_entropy>;

remat::audit_report audit(model& m, const std::vector<float>& x, const std::vector<int>& y, remat::sgd& optimizer) {
#ifdef REMAT_FIXED
  return remat::audit(m, x, y, optimizer);
#else
  return remat::audit(m, x, y, optimizer, optimizer);
#endif
}
