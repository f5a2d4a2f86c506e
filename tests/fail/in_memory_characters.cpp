// error: remat: characters and bytes of memory are not numbers; an array of a data set holds integers
#include <remat/remat.hpp>

#include <cstdint>
#include <vector>

#ifdef REMAT_FIXED
using labels = std::vector<std::int8_t>;
#else
using labels = std::vector<char>;
#endif

std::size_t samples(const std::vector<float>& inputs, const labels& classes) {
  return remat::in_memory(10, inputs, classes).size();
}
