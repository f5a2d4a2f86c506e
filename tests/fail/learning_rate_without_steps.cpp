// error: remat: every part of a sequence but the last has `steps`, its length
#include <remat/remat.hpp>

struct constant {
#ifdef REMAT_FIXED
  std::size_t steps = 10;
#endif
  double operator()(std::size_t) const { return 0.5; }
};

double rate(std::size_t t) { return remat::learning_rate::sequence(constant{}, remat::learning_rate::cosine{100})(t); }
