// error: remat: the heads of a llama share its width evenly
#include <remat/model/parameter_count.hpp>
#include <remat/models/llama.hpp>

#ifdef REMAT_FIXED
constexpr std::size_t width = 32;
#else
constexpr std::size_t width = 34;
#endif
using net = remat::models::llama<remat::models::llama_config{
    .vocabulary = 5, .width = width, .heads = 4, .key_value_heads = 2, .blocks = 2, .inner = 8}>;

static_assert(remat::parameter_count<net, remat::tensor<std::int32_t, 4>>() > 0);
