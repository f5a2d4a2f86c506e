// error: remat: a tensor holds float, std::int32_t or std::uint8_t
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using number = float;
#else
using number = double;
#endif

static_assert(remat::shape_of<remat::tensor<number, 784>>::value.elements() == 784);
