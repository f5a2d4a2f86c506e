// error: remat: what forward saves for backward is declared by `saved_shape(inputs...)`
#include <remat/plan/plan.hpp>

struct own : remat::module {
  static constexpr std::string_view kind = "own";
  template <class X>
  static X output(X);
  template <class X>
#ifdef REMAT_FIXED
  static X saved_shape(X);
#else
  static X saved_output(X);
#endif
  static void forward(const remat::forward_pass&) {}
};

static_assert(remat::peak_activation_bytes<own, remat::tensor<float, 784>>(1) > 0);
