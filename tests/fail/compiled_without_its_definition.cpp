// error: remat: <remat/compiled.hpp> holds the definitions of programs that are compiled with -DREMAT_SEPARATE_COMPILATION
// fixed flags: -DREMAT_SEPARATE_COMPILATION
#include <remat/compiled.hpp>
