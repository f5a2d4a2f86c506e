// error: remat: std::vector<bool> packs its values into bits
#include <remat/remat.hpp>

#include <cstdint>
#include <vector>

using model = remat::model<remat::nn::linear<2, 3>, remat::tensor<float, 2>, remat::nn::cross_entropy>;

#ifdef REMAT_FIXED
float train(model& m, const std::vector<float>& x, const std::vector<std::uint8_t>& t) { return m.train_step(x, t); }
#else
float train(model& m, const std::vector<float>& x, const std::vector<bool>& t) { return m.train_step(x, t); }
#endif
