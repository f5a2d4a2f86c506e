// error: remat: a tensor holds float, std::int32_t or std::uint8_t
#include <remat/model/lower.hpp>
#include <remat/nn/flatten.hpp>

#ifdef REMAT_FIXED
using number = float;
#else
using number = double;
#endif

remat::program made() { return remat::lower<remat::nn::flatten, remat::tensor<number, 3, 8, 8>>(); }
