// error: remat: what counts of a loss's targets is a number
#include <remat/nn/linear.hpp>
#include <remat/plan/plan.hpp>

struct squared : remat::module {
  static constexpr std::string_view kind = "squared";
  static remat::tensor<float, 1> target(remat::tensor<float, 1>);
  static remat::scalar<float> output(remat::tensor<float, 1>, remat::tensor<float, 1>);
  static void forward(const remat::forward_pass&) {}
  static void backward_input(const remat::backward_pass&) {}
#ifdef REMAT_FIXED
  static double counted(const remat::target_pass& pass) { return static_cast<double>(pass.target().size()); }
#else
  static double counted(const remat::forward_pass& pass) { return static_cast<double>(pass.input(1).size()); }
#endif
};

static_assert(remat::peak_activation_bytes<remat::sequential<remat::nn::linear<4, 1>>, remat::tensor<float, 4>,
                                           squared>(1) > 0);
