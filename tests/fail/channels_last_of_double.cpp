// error: remat: images that are channels-last are a range of float
#include <remat/remat.hpp>

#include <vector>

#ifdef REMAT_FIXED
using numbers = std::vector<float>;
#else
using numbers = std::vector<double>;
#endif

remat::channels_last_images images(const numbers& x) { return remat::channels_last(x); }
