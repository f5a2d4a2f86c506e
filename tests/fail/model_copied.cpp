// error: remat: a model is not copied; use m.clone() for a deep copy, or model(m, options) for another model on the same parameters
#include <remat/remat.hpp>

using net = remat::model<remat::nn::linear<2, 2>, remat::tensor<float, 2>>;

int main() {
  net m{{.seed = 1}};
#ifdef REMAT_FIXED
  net n = m.clone(), same_parameters{m, {.seed = 2}};
#else
  net n = m;
#endif
}
