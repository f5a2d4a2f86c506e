// SPDX-License-Identifier: MIT
/// The laws of annotations in a type (model/annotation.hpp), each one predicate with one message.
#pragma once

#include <remat/core/fixed_string.hpp>
#include <remat/model/rules.hpp>

namespace remat::rules {

/// Of an annotation, in an error: a path in its model, what there is where that leaves the model, and which of these
/// may have been meant.
template <fixed_string Path>
struct at_path {};
template <fixed_string Paths>
struct known_paths {};
template <fixed_string Path>
struct nearest_path {};

template <class Path, class Known, class Nearest, bool IsThere>
struct annotated_path_is_there {
  static constexpr bool holds = true;
  static_assert(
      IsThere,
      "remat: no module of the model has the path of this annotation; name one that there is (the arguments of "
      "annotated_path_is_there are the path, what there is where it leaves the model, and the nearest one)");
};

template <class Path, bool HasChildren>
struct annotated_module_has_children {
  static constexpr bool holds = true;
  static_assert(
      HasChildren,
      "remat: an annotated module that is no sequential has no children for a strategy, or a policy that cuts chains, "
      "to group; leave the strategy out, so that the module is checkpointed as one, or name a sequential or a repeat");
};

template <class Earlier, class Later, bool IsOnce>
struct module_is_annotated_once {
  static constexpr bool holds = true;
  static_assert(
      IsOnce,
      "remat: a module is annotated once; leave one of the annotations out, or change its path (the arguments "
      "of module_is_annotated_once are the paths of both)");
};

}  // namespace remat::rules
