// error: remat: patches of a vit fill its image
#include <remat/model/parameter_count.hpp>
#include <remat/models/vit.hpp>

#ifdef REMAT_FIXED
constexpr std::size_t size = 16;
#else
constexpr std::size_t size = 18;
#endif
using net = remat::models::vit<remat::models::vit_config{.image = size, .patch = 4}>;

static_assert(remat::parameter_count<net, remat::image<float, 3, size, size>>() > 0);
