// SPDX-License-Identifier: MIT
/// Errors of kernels, which know no names, with the name of the module.
#pragma once

#include <remat/core/error.hpp>
#include <remat/model/program.hpp>

#include <typeinfo>

namespace remat::detail {

/// What f returns. An `error` that it throws gets the module's path; those of other types are as their authors made
/// them.
template <class F>
auto naming_module(const program& p, const operation& o, const F& f) {
  try {
    return f();
  } catch (const error& e) {
    if (typeid(e) != typeid(error)) throw;
    throw error(e.what() + (", in " + quoted_path(p, o.node)));
  }
}

}  // namespace remat::detail
