// SPDX-License-Identifier: MIT
/// The kernels of a module as values, which an operation of a program holds: no code after it knows the module's type.
#pragma once

#include <remat/core/compilation.hpp>
#include <remat/core/kernel.hpp>

#include <memory>

namespace remat {

/// The kernels of a module, as values.
struct kernel_table {
  void (*forward)(const forward_pass&) = nullptr;
  void (*backward_input)(const backward_pass&) = nullptr;
  void (*backward_parameters)(const backward_pass&) = nullptr;
  void (*backward)(const backward_pass&) = nullptr;
  void (*pack)(const pack_pass&) = nullptr;
  void (*update_state)(const update_pass&) = nullptr;
  std::unique_ptr<prepared> (*prepare)(const preparation&) = nullptr;
};

namespace detail {

template <class Kernels, bool Frozen>
constexpr kernel_table make_kernel_table() {
  kernel_table table{&Kernels::forward};
  if constexpr (requires { &Kernels::backward_input; }) table.backward_input = &Kernels::backward_input;
  if constexpr (!Frozen) {
    if constexpr (requires { &Kernels::backward_parameters; })
      table.backward_parameters = &Kernels::backward_parameters;
    if constexpr (requires { &Kernels::backward; }) table.backward = &Kernels::backward;
  }
  if constexpr (requires { &Kernels::pack; }) table.pack = &Kernels::pack;
  if constexpr (requires { &Kernels::update_state; }) table.update_state = &Kernels::update_state;
  if constexpr (requires { &Kernels::prepare; }) table.prepare = &Kernels::prepare;
  return table;
}

/// Where a module's table is. It is a variable: a constant's value, and with it the kernels' code, would be needed in
/// every file that names it.
inline namespace REMAT_COMPILATION {
template <class Kernels, bool Frozen>
struct kernel_tables {
  static kernel_table value;
};
template <class Kernels, bool Frozen>
constinit kernel_table kernel_tables<Kernels, Frozen>::value = make_kernel_table<Kernels, Frozen>();
}  // namespace REMAT_COMPILATION

}  // namespace detail

/// A frozen module's table names no gradient of its parameters, so that no code for it is made.
template <class Kernels, bool Frozen = false>
inline constexpr const kernel_table& kernel_table_of = detail::kernel_tables<Kernels, Frozen>::value;

}  // namespace remat

/// At the end of a layer's header: its kernels are compiled once (compilation.hpp).
#define REMAT_COMPILED_KERNELS(kernels)                                      \
  namespace remat {                                                          \
  REMAT_COMPILED_TEMPLATE(struct, detail::kernel_tables<nn::kernels, false>) \
  REMAT_COMPILED_TEMPLATE(struct, detail::kernel_tables<nn::kernels, true>)  \
  }
