// SPDX-License-Identifier: MIT
/// The names of a model's weights in files, as its architecture has them published (core/weight_names.hpp): with a
/// prefix or without, in old spellings or in that which is written, among others that are skipped.
///
/// A name that the model has is always its own. Where blocks are inside of one another, the innermost is asked first.
#pragma once

#include <remat/core/text_pattern.hpp>
#include <remat/core/weight_names.hpp>
#include <remat/run/tensor_list.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace remat::detail {

class file_names {
 public:
  /// `tensors` must outlive it.
  explicit file_names(const tensor_list& tensors) {
    for (const named_tensor& t : tensors) known_.insert(t.names.begin(), t.names.end());
    for (const weight_scope& each : tensors.weight_scopes()) scopes_.push_back(&each);
    std::ranges::sort(scopes_, std::ranges::greater(), [](const weight_scope* s) { return s->path.size(); });
  }

  /// What the model calls what a file has under a name; nothing where it has no such weight.
  std::optional<std::string> in_model(const std::string& name) const {
    if (known_.contains(name)) return name;
    for (const weight_scope* const scope : scopes_) {
      if (!name.starts_with(scope->path)) continue;
      const std::string inside = name.substr(scope->path.size());
      for (const std::string& spelled : {inside, in_spelling_of_model(*scope->names, inside)})
        for (const std::string& each : with_and_without(scope->names->prefix, spelled))
          if (known_.contains(scope->path + each)) return scope->path + each;
    }
    return {};
  }

  /// Whether the architecture's files may hold this beyond the model.
  bool is_ignored(std::string_view name) const {
    return std::ranges::any_of(scopes_, [&](const weight_scope* scope) {
      if (!name.starts_with(scope->path)) return false;
      const std::string inside(name.substr(scope->path.size()));
      return std::ranges::any_of(with_and_without(scope->names->prefix, inside), [&](const std::string& each) {
        return std::ranges::any_of(scope->names->ignored, [&](std::string_view pattern) {
          return !pattern.empty() && is_text_of_pattern(each, pattern);
        });
      });
    });
  }

  /// What a weight is called in a file that is written.
  std::string in_files(const std::string& name) const {
    for (const weight_scope* const scope : scopes_)
      if (name.starts_with(scope->path)) {
        std::string inside = name.substr(scope->path.size());
        for (const weight_spelling& each : scope->names->spellings)
          if (each.is_written) replace(inside, each.in_model, each.in_files);
        return scope->path + inside;
      }
    return name;
  }

 private:
  static std::string in_spelling_of_model(const weight_names& names, std::string name) {
    for (const weight_spelling& each : names.spellings) replace(name, each.in_files, each.in_model);
    return name;
  }
  static void replace(std::string& name, std::string_view from, std::string_view to) {
    if (from.empty()) return;
    if (const std::size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
  }
  static std::vector<std::string> with_and_without(std::string_view prefix, const std::string& name) {
    std::vector<std::string> all{name};
    if (!prefix.empty()) all.push_back(std::string(prefix) + name);
    if (!prefix.empty() && name.starts_with(prefix)) all.push_back(name.substr(prefix.size()));
    return all;
  }

  std::set<std::string, std::less<>> known_;
  std::vector<const weight_scope*> scopes_;  // the innermost first
};

}  // namespace remat::detail
