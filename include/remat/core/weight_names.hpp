// SPDX-License-Identifier: MIT
/// What files of a published architecture call its weights, and what else they hold: a value next to the body of a
/// block,
///
///     struct gpt2 : remat::module {
///       using body = ...;
///       static constexpr remat::weight_names names{.prefix = "transformer.", .ignored = {"*.attn.bias"}};
///     };
///
/// which loading and saving find (io/file_names.hpp). Names are those inside of the block; those around it come before.
/// What a single parameter has in files is a fact of the parameter (core/parameter.hpp).
#pragma once

#include <remat/core/language.hpp>

#include <array>
#include <string_view>

namespace remat {

/// A part of names that files spell in another way than the model.
struct weight_spelling {
  std::string_view in_files = {}, in_model = {};
  bool is_written = false;  ///< files that are saved have it, too: it is no old spelling, but the published one
};

/// What a published configuration says under a key, where it has it: a number, or a word.
struct config_entry {
  std::string_view key = {};
  double number = 0;
  std::string_view text = {};
};

struct weight_names {
  /// What all names in a file may begin with beyond those of the model, or lack.
  std::string_view prefix = {};
  std::array<weight_spelling, 8> spellings = {};
  /// Patterns (core/text_pattern.hpp) of what files may hold beyond the model: masks, counters, other heads. Loading
  /// skips them.
  std::array<std::string_view, 16> ignored = {};
  /// What `model_type` may be in a config.json next to the file (io/configuration.hpp): other architectures have
  /// weights of the same names and shapes. Empty: it is not looked at.
  std::array<std::string_view, 4> model_types = {};
  std::array<config_entry, 8> configuration = {};  ///< what it says of such a model
};

}  // namespace remat
