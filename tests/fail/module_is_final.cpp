// error: remat: a module is not `final`
#include <remat/core/kernel.hpp>
#include <remat/core/module.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
struct twice : remat::module {
#else
struct twice final : remat::module {
#endif
  static constexpr std::string_view kind = "twice";
  static remat::tensor<float, 4> output(remat::tensor<float, 4>);
  static void forward(const remat::forward_pass& pass) {
    for (std::size_t i = 0; i < pass.input().size(); ++i) pass.output()[i] = 2 * pass.input()[i];
  }
  static void backward_input(const remat::backward_pass& pass) {
    pass.input_gradient().assign([dy = pass.output_gradient()](std::size_t i) { return 2 * dy[i]; });
  }
};

static_assert(remat::peak_activation_bytes<twice, remat::tensor<float, 4>>(1) > 0);
