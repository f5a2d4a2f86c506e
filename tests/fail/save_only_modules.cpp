// error: remat: save_only and recompute_only take modules, or remat::kind<"...">
#include <remat/core/policies.hpp>

#ifdef REMAT_FIXED
using kept = remat::kind<"linear">;
#else
struct linear {};
using kept = linear;
#endif

constexpr auto decided = remat::save_only<kept>::decide({});
