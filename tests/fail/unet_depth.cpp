// error: remat: a unet has 1 to 9 levels
#include <remat/model/parameter_count.hpp>
#include <remat/models/unet.hpp>

#ifdef REMAT_FIXED
constexpr std::size_t depth = 1;
#else
constexpr std::size_t depth = 0;
#endif
using net = remat::models::unet<remat::models::unet_config{.depth = depth}>;

static_assert(remat::parameter_count<net, remat::image<float, 3, 16, 16>>() > 0);
