// SPDX-License-Identifier: MIT
/// What an action is refused with: the text of the `remat::error` that it throws, or "" if it throws none.
#pragma once

#include <remat/core/error.hpp>

#include <string>

template <class Action>
std::string refusal(const Action& action) {
  try {
    action();
  } catch (const remat::error& refused) {
    return refused.what();
  }
  return "";
}
