// error: remat: revolve has one number of slots; write revolve<8>
#include <remat/core/revolve.hpp>

#ifdef REMAT_FIXED
using policy = remat::revolve<8>;
#else
using policy = remat::revolve<8, 9>;
#endif

static_assert(policy::needs_uniform_chain);
