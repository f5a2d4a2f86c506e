// SPDX-License-Identifier: MIT
/// Lowering: a model type, an input type and a loss type become a program.
#pragma once

#include <remat/model/lowered.hpp>
#include <remat/model/lowered_branches.hpp>
#include <remat/model/lowered_wrappers.hpp>
#include <remat/model/program.hpp>

#include <type_traits>

namespace remat {

/// No loss: the model gives outputs.
struct no_loss {};

namespace detail {

template <class Loss, class Outputs>
struct targets_of {
  using type = broken;
};
template <class Loss, class... Outputs>
  requires requires { Loss::target(Outputs{}...); }
struct targets_of<Loss, tensors<Outputs...>> {
  using type = typename as_tensors<decltype(Loss::target(Outputs{}...))>::type;
};

template <class Loss, class Outputs>
struct loss_rule {
  static constexpr bool holds = true;
};
template <class Loss, class... Outputs>
struct loss_rule<Loss, tensors<Outputs...>> : rules::loss_meets_output<Loss, Outputs...> {};

template <class... T>
constexpr int count_of(tensors<T...>) {
  return sizeof...(T);
}
constexpr int count_of(broken) { return 0; }

template <class... T>
constexpr void add_inputs(program& p, edge& in, tensors<T...>) {
  ((in.push_back(p.add_tensor(shape_of<T>::value, none)), ++p.inputs), ...);
}
constexpr void add_inputs(program&, edge&, broken) {}

template <class Net, class Input, class Loss>
struct lowering {
  using inputs = typename as_tensors<Input>::type;
  using outside = scope<none, false, false>;
  using net = lowered<Net, inputs, context<placed<0, start>>, outside>;
  using outputs = typename net::output;

  static constexpr program emit() {
    emission e;
    program& p = e.made;
    edge in;
    add_inputs(p, in, inputs{});
    if constexpr (std::is_same_v<Loss, no_loss>) {
      p.outputs = net::emit(e, in, {});
    } else {
      using targets = typename targets_of<Loss, outputs>::type;
      static_assert(loss_rule<Loss, outputs>::holds);
      using loss = lowered<Loss, typename joined<outputs, targets>::type, typename net::after, outside>;
      constexpr bool gives_a_scalar = std::is_same_v<typename loss::output, tensors<scalar<float>>>;
      constexpr bool is_broken = std::is_same_v<typename loss::output, broken>;
      static_assert(rules::loss_is_a_scalar<Loss, (gives_a_scalar || is_broken)>::holds);
      edge target;
      add_inputs(p, target, targets{});
      p.targets = count_of(targets{});
      p.outputs = net::emit(e, in, {});
      label l;
      l.name = "loss";
      p.loss = loss::emit(e, together(p.outputs, target), l)[0];
    }
    if (e.shares) {
      find_owners(p, p.parameters);
      find_owners(p, p.states);
      spread_frozen(p);
    }
    return static_cast<program&&>(p);
  }
};

}  // namespace detail

/// The program of a model type; `Loss` may be `no_loss`. Throws `error` where shared parameters have different shapes.
template <class Net, class Input, class Loss = no_loss>
constexpr program lower() {
  return detail::lowering<Net, Input, Loss>::emit();
}

}  // namespace remat
