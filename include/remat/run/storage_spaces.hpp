// SPDX-License-Identifier: MIT
/// The storage spaces of a model: one for each storage that takes tensors out of the arena, opened when it is first
/// needed. All plans of the model use the same: they run one after another, or in parts that do not meet.
#pragma once

#include <remat/core/storage_setting.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace remat {

class storage_spaces {
 public:
  /// `directory`: what the model says to storages that name none.
  explicit storage_spaces(std::string directory) : directory_(std::move(directory)) {}

  const std::string& directory() const { return directory_; }

  storage_space& of(const storage_form& form) {
    for (const opened& each : opened_)
      if (each.form->is_same_as(form)) return *each.space;
    opened_.push_back({&form, form.open(directory_)});
    return *opened_.back().space;
  }

 private:
  struct opened {
    const storage_form* form;
    std::unique_ptr<storage_space> space;
  };

  std::string directory_;
  std::vector<opened> opened_;
};

}  // namespace remat
