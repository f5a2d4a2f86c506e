// error: remat: inputs and targets have values for each sample
#include <remat/core/module.hpp>
#include <remat/plan/plan.hpp>

#ifdef REMAT_FIXED
using time_of = remat::tensor<float>;
#else
using time_of = remat::scalar<float>;
#endif

struct scaled : remat::module {
  static constexpr std::string_view kind = "scaled";
  static remat::tensor<float, 4> output(remat::tensor<float, 4>, time_of);
  static void forward(const remat::forward_pass&);
};

constexpr std::size_t bytes = remat::peak_activation_bytes<scaled, remat::tensors<remat::tensor<float, 4>, time_of>>(1);
