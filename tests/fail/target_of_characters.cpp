// error: remat: characters and bytes of memory are not numbers; targets are integers
#include <remat/remat.hpp>

#include <cstdint>
#include <vector>

using model = remat::model<remat::nn::linear<2, 3>, remat::tensor<float, 2>, remat::nn::cross_entropy>;

#ifdef REMAT_FIXED
using labels = std::vector<std::int8_t>;
#else
using labels = std::vector<char>;
#endif

float train(model& m, const std::vector<float>& x, const labels& t) { return m.train_step(x, t); }
