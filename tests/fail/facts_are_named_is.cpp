// error: remat: the facts about a module are named `is`
#include <remat/plan/plan.hpp>

struct own : remat::module {
  static constexpr std::string_view kind = "own";
  template <class X>
  static X output(X);
#ifdef REMAT_FIXED
  static constexpr remat::traits is{.in_place = true};
#else
  static constexpr remat::traits iz{.in_place = true};
#endif
  static void forward(const remat::forward_pass&) {}
};

static_assert(remat::peak_activation_bytes<own, remat::tensor<float, 784>>(1) > 0);
