// error: remat: a module with parameters must have backward_parameters
#include <remat/plan/plan.hpp>

#include <array>

struct shift : remat::module {
  static constexpr std::string_view kind = "shift";
  template <class X>
  static X output(X);
  static constexpr std::array parameters{remat::parameter("shift", {1}, remat::initial::constant(0))};
  static void forward(const remat::forward_pass&) {}
  static void backward_input(const remat::backward_pass&) {}
#ifdef REMAT_FIXED
  static void backward_parameters(const remat::backward_pass&) {}
#endif
};

static_assert(remat::peak_activation_bytes<shift, remat::tensor<float, 784>>(1) > 0);
