// error: remat: a model is not copied; use m.clone() for a deep copy, or model(m, options) for another model on the same parameters
#include <remat/remat.hpp>

using net = remat::model<remat::nn::linear<2, 2>, remat::tensor<float, 2>>;

float first_output(const net& model) { return model.predict(std::vector<float>{1, 2})[0]; }

int main() {
  net m{{.seed = 1}};
#ifdef REMAT_FIXED
  net n{m, {}};
#else
  net n{m};
#endif
  first_output(n);
}
