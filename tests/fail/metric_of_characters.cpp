// error: remat: characters and bytes of memory are not numbers; a metric's targets are
#include <remat/remat.hpp>

#include <cstdint>
#include <utility>
#include <vector>

using model = remat::model<remat::nn::linear<2, 3>, remat::tensor<float, 2>, remat::nn::cross_entropy>;

#ifdef REMAT_FIXED
using labels = std::vector<std::int8_t>;
#else
using labels = std::vector<char>;
#endif

double evaluate(model& m, const std::vector<std::pair<std::vector<float>, labels>>& batches) {
  return m.evaluate(batches, remat::accuracy{});
}
