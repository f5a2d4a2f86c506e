// error: backward reads a tensor that is not there
// constant expression
#include <remat/plan/plan.hpp>

struct own : remat::module {
  static constexpr std::string_view kind = "own";
  template <class X>
  static X output(X);
  template <class X>
  static X saved_shape(X);
#ifdef REMAT_FIXED
  static constexpr remat::reads backward_input_reads = remat::reads::saved(0);
#else
  static constexpr remat::reads backward_input_reads = remat::reads::saved(1);
#endif
  static void forward(const remat::forward_pass&) {}
};

static_assert(remat::peak_activation_bytes<own, remat::tensor<float, 784>>(1) > 0);
