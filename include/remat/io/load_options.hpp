// SPDX-License-Identifier: MIT
/// What a weights file may lack, and have beyond a model: fine-tuning under another head, a backbone alone, names of a
/// wrapper; and how one is written.
///
///     remat::load_weights(m, file);                                            // all of it, and nothing else
///     remat::load_weights(m, file, {.allow_missing = {"head"}, .allow_unexpected = {"fc.*"}});
///     remat::load_weights(m, file, {.rename = {{"module.", ""}, {"model.", "backbone."}}});
///     const auto [loaded, missing, unexpected, mismatched] = remat::load_weights(m, file, {.strict = false});
///     remat::save_weights(m, file, {.element = remat::element::bfloat16});
#pragma once

#include <remat/core/element.hpp>

#include <string>
#include <utility>
#include <vector>

namespace remat {

/// Patterns are those of text_pattern.hpp: a path, all below it, `*` for any characters.
struct load_options {
  /// false, as in PyTorch: what is missing stays as it is, and what is unexpected is skipped. A tensor of another shape
  /// is refused all the same, and so is a file of which nothing fits.
  bool strict = true;
  /// Weights that the file may lack, or have in another shape: they stay as they are.
  std::vector<std::string> allow_missing = {};
  /// Tensors that the file may have beyond the model, by the names that `rename` gives them: they are skipped.
  std::vector<std::string> allow_unexpected = {};
  /// What names begin with in the file, and what they begin with in the model instead. Each is applied once, in this
  /// order, and where none is of any use, they are refused.
  std::vector<std::pair<std::string, std::string>> rename = {};
  bool ignore_unexpected = false;  ///< as `.allow_unexpected = {""}`, which is all
};

/// What became of the weights: by their names in the model, the unexpected ones by those in the file.
struct load_report {
  std::vector<std::string> loaded;
  std::vector<std::string> missing;     ///< stay as they are
  std::vector<std::string> unexpected;  ///< skipped
  std::vector<std::string> mismatched;  ///< stay as they are: another shape in the file
};

/// How a model's weights are written.
struct save_options {
  /// A parameter that modules share is written under the name of each of its places, which PyTorch's
  /// `load_state_dict(strict=True)` asks for. By default it is written once, under the name of the first.
  bool every_name = false;
  /// What parameters and states are written as: float32, or bfloat16, to which they are rounded (two bytes each;
  /// loading them makes float32 of them again). What else a model remembers is written as it is.
  remat::element element = remat::element::float32;
};

}  // namespace remat
