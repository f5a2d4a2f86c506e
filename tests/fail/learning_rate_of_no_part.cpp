// error: remat: a sequence of schedules has at least one part
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
const remat::learning_rate::sequence rate(remat::learning_rate::cosine{100});
#else
const remat::learning_rate::sequence<> rate;
#endif
