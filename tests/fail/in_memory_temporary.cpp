// error: remat: a data set in memory views its arrays, and a temporary would be gone; keep it in a variable
#include <remat/remat.hpp>

#include <vector>

std::size_t samples(const std::vector<int>& labels) {
#ifdef REMAT_FIXED
  const std::vector<float> inputs(labels.size());
  return remat::in_memory(inputs, labels).size();
#else
  return remat::in_memory(std::vector<float>(labels.size()), labels).size();
#endif
}
