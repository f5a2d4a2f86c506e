// error: remat: a budget has one number of bytes; write budget<20'000'000>
#include <remat/core/budget.hpp>

#ifdef REMAT_FIXED
using policy = remat::budget<1'000'000>;
#else
using policy = remat::budget<1'000'000, 2'000'000>;
#endif

static_assert(policy::limit().has_value());
