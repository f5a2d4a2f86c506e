// error: remat: include <remat/compiled.hpp> before any other header of remat; it includes what it needs
// flags: -DREMAT_SEPARATE_COMPILATION
#ifdef REMAT_FIXED
#define REMAT_SEPARATE_COMPILATION
#else
#include <remat/remat.hpp>
#endif
#include <remat/compiled.hpp>
