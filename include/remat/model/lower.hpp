// SPDX-License-Identifier: MIT
/// Lowering: a model type, an input type and a loss type become a program.
#pragma once

#include <remat/model/lowered.hpp>
#include <remat/model/lowered_annotation.hpp>
#include <remat/model/lowered_branches.hpp>
#include <remat/model/lowered_chain.hpp>
#include <remat/model/lowered_tags.hpp>
#include <remat/model/lowered_wrappers.hpp>
#include <remat/model/program.hpp>
#include <remat/model/rules.hpp>
#include <remat/model/shared_owners.hpp>
#include <remat/model/stage_rules.hpp>

#include <cstddef>
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
  requires requires { bare<Loss>::type::target(Outputs{}...); }
struct targets_of<Loss, tensors<Outputs...>> {
  using type = typename as_tensors<decltype(bare<Loss>::type::target(Outputs{}...))>::type;
};

template <class Loss, class Outputs>
struct loss_rule {
  static constexpr bool holds = true;
};
template <class Loss, class... Outputs>
struct loss_rule<Loss, tensors<Outputs...>> : rules::loss_meets_output<typename bare<Loss>::type, Outputs...> {};

/// The `counted` of a loss, or null where it declares none.
template <class Loss>
constexpr double (*counted_of())(const target_pass&) {
  if constexpr (DeclaresCounted<Loss>) {
    constexpr bool counts = requires(double (*f)(const target_pass&)) { f = &Loss::counted; };
    static_assert(rules::loss_counts_its_targets<Loss, counts>::holds);
    if constexpr (counts) return &Loss::counted;
  }
  return nullptr;
}

/// Inputs whose elements have kernels; `broken`, after an error, where one has none.
template <class T>
constexpr bool has_known_elements = true;
template <class T, std::size_t... Extents>
constexpr bool has_known_elements<tensor<T, Extents...>> = is_element<T>;
template <class T, std::size_t C, std::size_t H, std::size_t W>
constexpr bool has_known_elements<image<T, C, H, W>> = is_element<T>;

template <class T>
constexpr bool is_per_sample = true;
template <class T, std::size_t... Extents>
constexpr bool is_per_sample<per_batch<T, Extents...>> = false;

template <class Inputs>
struct known_tensors {
  using type = Inputs;
};
template <class... T>
  requires((has_known_elements<T> && ...) && !(is_per_sample<T> && ...))
struct known_tensors<tensors<T...>> {
  using type = broken;
  static_assert((rules::input_is_per_sample<T, is_per_sample<T>>::holds && ...));
};
template <class... T>
  requires(!(has_known_elements<T> && ...))
struct known_tensors<tensors<T...>> {
  using type = broken;
  static_assert(((shape_of<T>::value.rank >= 0) && ...));
};

template <class... T>
constexpr int count_of(tensors<T...>) {
  return sizeof...(T);
}
constexpr int count_of(broken) { return 0; }

constexpr void add_inputs(program&, edge&, broken) {}

template <class Net, class Input, class Loss>
struct lowering {
  using inputs = typename known_tensors<typename as_tensors<Input>::type>::type;
  using outside = scope<core::none, false, false, false>;
  using net = lowered<Net, inputs, context<placed<0, start>>, outside>;
  using outputs = typename net::output;

  static constexpr program emit() {
    emission e;
    program& p = e.made;
    edge in;
    require_few(inputs{});
    add_inputs(p, in, inputs{});
    if constexpr (std::is_same_v<Loss, no_loss>) {
      p.outputs = net::emit(e, in, {});
    } else {
      using targets = typename known_tensors<typename targets_of<Loss, outputs>::type>::type;
      static_assert(loss_rule<Loss, outputs>::holds);
      using loss = lowered<Loss, typename joined<outputs, targets>::type, typename net::after, outside>;
      constexpr bool gives_a_scalar = std::is_same_v<typename loss::output, tensors<scalar<float>>>;
      constexpr bool is_broken = std::is_same_v<typename loss::output, broken>;
      static_assert(rules::loss_is_a_scalar<Loss, (gives_a_scalar || is_broken)>::holds);
      edge target;
      add_inputs(p, target, targets{});
      p.targets = count_of(targets{});
      p.counted = counted_of<typename bare<Loss>::type>();
      p.outputs = net::emit(e, in, {});
      label l;
      l.name = "loss";
      p.loss = loss::emit(e, together(p.outputs, target), l)[0];
    }
    if (!p.nodes.empty() && p.nodes[0].compute) p.compute = *p.nodes[0].compute;
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
