// error: remat: a tensor is a range of numbers that are one after another in memory
#include <remat/remat.hpp>

#include <list>
#include <span>
#include <vector>

using model = remat::model<remat::nn::linear<2, 3>, remat::tensor<float, 2>, remat::nn::cross_entropy>;

#ifdef REMAT_FIXED
using list = std::vector<float>;
#else
using list = std::list<float>;
#endif

std::span<const float> predict(model& m, const list& x) { return m.predict(x); }
