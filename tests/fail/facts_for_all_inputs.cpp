// error: remat: what a module `is` must be remat::traits, for all inputs that it accepts
#include <remat/plan/plan.hpp>

struct own : remat::module {
  static constexpr std::string_view kind = "own";
  template <class X>
  static X output(X);
#ifdef REMAT_FIXED
  template <std::size_t... Extents>
  static constexpr remat::traits is(remat::tensor<float, Extents...>) {
    return {.in_place = true};
  }
#else
  template <std::size_t C, std::size_t H, std::size_t W>
  static constexpr remat::traits is(remat::image<float, C, H, W>) {
    return {};
  }
#endif
  static void forward(const remat::forward_pass&) {}
};

static_assert(remat::peak_activation_bytes<own, remat::tensor<float, 784>>(1) > 0);
