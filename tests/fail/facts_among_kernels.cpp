// error: remat: facts are those of a module, and nothing reads them among its kernels
#include <remat/plan/plan.hpp>

struct own_kernels {
#ifndef REMAT_FIXED
  static constexpr remat::traits is{.in_place = true};
#endif
  static void forward(const remat::forward_pass&) {}
};

struct own : remat::module {
  static constexpr std::string_view kind = "own";
  template <class X>
  static X output(X);
#ifdef REMAT_FIXED
  static constexpr remat::traits is{.in_place = true};
#endif
  using kernels = own_kernels;
};

static_assert(remat::peak_activation_bytes<own, remat::tensor<float, 784>>(1) > 0);
